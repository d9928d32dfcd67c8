import { isGivenUp, NotDone } from './errors.ts'
import type { Database } from './tables.ts'

const retries = 3

/**
 * Does the work in a transaction, or within the one that `db` already is. Where Postgres gives the transaction up in
 * favour of others, or it had no effect, the work is done again from its beginning.
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
