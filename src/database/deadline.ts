import { originOf } from './origin.ts'
import type { Database } from './tables.ts'

interface Deadline {
  /** How long a caller waits, in milliseconds: for a connection and all answers; embedded only for the connection. */
  deadline: number
  /** A copy for callers who wait until then, a time of `performance.now()`. */
  endingBy: (until: number) => Database
}

const deadlines = new WeakMap<Database, Deadline>()

/** Sets how long the callers of a database wait, and answers it. */
export function setDeadline(db: Database, deadline: Deadline): Database {
  deadlines.set(db, deadline)
  return db
}

/** Until when a caller waits who has waited since then; both are times of `performance.now()`. */
export const deadlineOf = (db: Database, since = performance.now()): number =>
  since + (deadlines.get(originOf(db))?.deadline ?? Number.POSITIVE_INFINITY)

/** The same database for work that has waited already, and is to end by then, a time of `performance.now()`. */
export function endingBy(db: Database, until: number): Database {
  const deadline = deadlines.get(originOf(db))
  if (!deadline) return db
  return db.getExecutor().plugins.reduce((copy, plugin) => copy.withPlugin(plugin), deadline.endingBy(until))
}
