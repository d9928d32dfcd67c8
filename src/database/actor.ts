import { type KyselyPlugin, sql } from 'kysely'
import { copyOf } from './origin.ts'
import type { Database } from './tables.ts'

/** Who writes. As a plugin it stays with the database and its transactions; it changes no query. */
class Actor implements KyselyPlugin {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
  transformQuery: KyselyPlugin['transformQuery'] = ({ node }) => node
  transformResult: KyselyPlugin['transformResult'] = async ({ result }) => result
}

const copies = new WeakMap<Database, WeakMap<object, Database>>()

/**
 * The same database, whose writes the change log attributes to this caller; for null it is `db` itself. Writes of
 * different callers never share a statement.
 */
export function actingAs(db: Database, caller: { name: string } | null): Database {
  if (caller === null) return db
  const ofCallers = copies.get(db) ?? new WeakMap<object, Database>()
  copies.set(db, ofCallers)
  const copy = ofCallers.get(caller) ?? copyOf(db, db.withPlugin(new Actor(caller.name)))
  ofCallers.set(caller, copy)
  return copy
}

/** The name of the caller for whom this database acts; '' if for nobody. */
export const actorOf = (db: Database): string =>
  db.getExecutor().plugins.find((plugin) => plugin instanceof Actor)?.name ?? ''

/**
 * Sets whom the change log names, until the transaction ends. Every statement that writes houses returns this: Postgres
 * evaluates it with each row, before it fires the triggers of the log. So a statement names its caller by itself, also
 * when it is sent again over another connection.
 */
export const setActor = (name: string) => sql<string>`set_config('sample_api.actor', ${name}, true)`.as('actor')
