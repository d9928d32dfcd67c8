import type { Database } from './database.ts'
import { isGivenUp } from './errors.ts'

const retries = 3

/**
 * Does the work in a transaction, or within the one that `db` is already; again from its beginning where Postgres gives
 * it up in favour of others.
 */
export async function inTransaction<T>(db: Database, work: (tx: Database) => Promise<T>): Promise<T> {
  if (db.isTransaction) return work(db)
  for (let attempt = 0; ; attempt++) {
    try {
      return await db.transaction().execute(work)
    } catch (error) {
      if (attempt === retries || !isGivenUp(error)) throw error
    }
  }
}
