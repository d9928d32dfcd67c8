import type { Database } from './database.ts'
import { isGivenUp, NotDone } from './errors.ts'

const retries = 3

/**
 * Does the work in a transaction, or within the one that `db` is already; again from its beginning where Postgres gives
 * it up in favour of others, or did nothing.
 */
export const inTransaction = <T>(db: Database, work: (tx: Database) => Promise<T>): Promise<T> =>
  persistently(db, () => (db.isTransaction ? work(db) : db.transaction().execute(work)))

/** Sends a statement, or does a whole transaction, again where Postgres gives it up; within a transaction once only. */
export async function persistently<T>(db: Database, work: () => Promise<T>): Promise<T> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (db.isTransaction || attempt === retries || !(isGivenUp(error) || error instanceof NotDone)) throw error
    }
  }
}
