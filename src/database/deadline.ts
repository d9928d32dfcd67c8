import type { Database } from './tables.ts'

interface Deadline {
  /** How long a caller waits at most, in milliseconds: for a connection and for all answers over it. */
  deadline: number
  /** The same database for callers who wait until then, a time of `performance.now()`. */
  before: (until: number) => Database
}

const deadlines = new WeakMap<Database, Deadline>()

/** Sets how long the callers of a database wait; answers the database. */
export function haveUntil(db: Database, deadline: Deadline): Database {
  deadlines.set(db, deadline)
  return db
}

/** The same for a copy of the database. */
export function haveAsLong(db: Database, copy: Database): Database {
  const deadline = deadlines.get(db)
  return deadline ? haveUntil(copy, deadline) : copy
}

/** How long a caller of this database waits at most, in milliseconds. */
export const deadlineOf = (db: Database): number => deadlines.get(db)?.deadline ?? Number.POSITIVE_INFINITY

/** The same database for work that has waited already: it ends by then, a time of `performance.now()`. */
export function before(until: number, db: Database): Database {
  const copy = deadlines.get(db)?.before(until) ?? db
  return copy === db ? db : db.getExecutor().plugins.reduce((copy, plugin) => copy.withPlugin(plugin), copy)
}
