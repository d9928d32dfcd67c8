import { type KyselyPlugin, sql } from 'kysely'
import { gatherAs } from './gather.ts'
import type { Database } from './tables.ts'

/** Who writes. It changes no query, but stays with the database, and with its transactions. */
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
 * The same database for one caller, whom the change log names; for nobody (null) it is `db` itself. Writes of one caller
 * are gathered into statements of their own.
 */
export function actingAs(db: Database, caller: { name: string } | null): Database {
  if (caller === null) return db
  const ofCallers = copies.get(db) ?? new WeakMap<object, Database>()
  copies.set(db, ofCallers)
  const copy = ofCallers.get(caller) ?? gatherAs(db, db.withPlugin(new Actor(caller.name)))
  ofCallers.set(caller, copy)
  return copy
}

/** The name of the caller for whom this database acts; '' if for nobody. */
export const actorOf = (db: Database): string =>
  db.getExecutor().plugins.find((plugin) => plugin instanceof Actor)?.name ?? ''

/**
 * Tells the change log who writes, until the transaction ends. Every statement that writes houses returns this: Postgres
 * evaluates it with each row, and fires the triggers of the log after the last one. So a statement that is sent again, over
 * whatever connection, always tells it.
 */
export const setActor = (name: string) => sql<string>`set_config('sample_api.actor', ${name}, true)`.as('actor')
