import type { Database } from './tables.ts'

const origins = new WeakMap<Database, Database>()

/** Has what is set for a database apply to this copy of it too; answers the copy. */
export function copyOf(db: Database, copy: Database): Database {
  origins.set(copy, originOf(db))
  return copy
}

/** The database of which this is a copy, or else itself. */
export const originOf = (db: Database): Database => origins.get(db) ?? db
