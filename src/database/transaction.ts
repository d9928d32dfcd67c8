import { isGivenUp, NotDone } from './errors.ts'
import type { Database } from './tables.ts'

const retries = 3

/**
 * Runs `work` in a transaction, or in the current one if `db` is one. Repeats it up to three times after a deadlock, a
 * serialization failure, or a NotDone that did not time out.
 */
export async function inTransaction<T>(db: Database, work: (tx: Database) => Promise<T>): Promise<T> {
  if (db.isTransaction) return work(db)
  for (let attempt = 0; ; attempt++) {
    try {
      return await db.transaction().execute(work)
    } catch (error) {
      const mayRepeat = isGivenUp(error) || (error instanceof NotDone && !error.timedOut)
      if (attempt === retries || !mayRepeat) throw error
    }
  }
}
