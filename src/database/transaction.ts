import { ConnectionLost, isGivenUp, NotDone } from './errors.ts'
import type { Database } from './tables.ts'

const retries = 3

/**
 * Runs `work` in a transaction, or in the current one if `db` is one. Repeats it up to three times: after a deadlock or
 * a serialization failure over the same connection, whose deadline all attempts share; after a NotDone that did not
 * time out over another one.
 */
export async function inTransaction<T>(db: Database, work: (tx: Database) => Promise<T>): Promise<T> {
  if (db.isTransaction) return work(db)
  return repeated(
    () => db.connection().execute((connection) => repeated(() => connection.transaction().execute(work), isGivenUp)),
    (error) => error instanceof NotDone && !error.timedOut,
  )
}

/**
 * Runs reads over one connection, whose deadline they share. Repeats all of them, up to three times, if it is lost and did
 * not time out.
 */
export function overOneConnection<T>(db: Database, read: (db: Database) => Promise<T>): Promise<T> {
  return repeated(
    () => db.connection().execute(read),
    (error) => (error instanceof NotDone || error instanceof ConnectionLost) && !error.timedOut,
  )
}

async function repeated<T>(attempt: () => Promise<T>, mayRepeat: (error: unknown) => boolean): Promise<T> {
  for (let repetition = 0; ; repetition++) {
    try {
      return await attempt()
    } catch (error) {
      if (repetition === retries || !mayRepeat(error)) throw error
    }
  }
}
