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

/** The same for a copy of it. */
export function shareDeadline(db: Database, copy: Database): Database {
  const deadline = deadlines.get(db)
  return deadline ? setDeadline(copy, deadline) : copy
}

/** How long a caller of this database waits who has not waited yet, in milliseconds. */
export const deadlineOf = (db: Database): number => deadlines.get(db)?.deadline ?? Number.POSITIVE_INFINITY

/** The same database for work that has waited already, and is to end by then, a time of `performance.now()`. */
export function endingBy(db: Database, until: number): Database {
  const deadline = deadlines.get(db)
  if (!deadline) return db
  return db.getExecutor().plugins.reduce((copy, plugin) => copy.withPlugin(plugin), deadline.endingBy(until))
}
