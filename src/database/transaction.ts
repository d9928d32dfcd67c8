import { deadlineOf, endingBy } from './deadline.ts'
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
  return overOneConnection(db, (connection) => repeated(() => connection.transaction().execute(work), isGivenUp))
}

/**
 * Runs statements over one connection. Repeats all of them, up to three times and before the deadline that they share, if
 * the connection was lost and the last one had no effect, so none may follow one that changed something.
 */
export function overOneConnection<T>(db: Database, work: (db: Database) => Promise<T>): Promise<T> {
  const until = deadlineOf(db)
  return repeated(
    (repetition) => (repetition === 0 ? db : endingBy(db, until)).connection().execute(work),
    (error) => (error instanceof NotDone || (error instanceof ConnectionLost && error.isOfRead)) && !error.timedOut,
  )
}

async function repeated<T>(
  attempt: (repetition: number) => Promise<T>,
  mayRepeat: (error: unknown) => boolean,
): Promise<T> {
  for (let repetition = 0; ; repetition++) {
    try {
      return await attempt(repetition)
    } catch (error) {
      if (repetition === retries || !mayRepeat(error)) throw error
    }
  }
}
