import type { CompiledQuery } from 'kysely'
import type { Database } from './database.ts'

/** The names of the statements compiled so far, by their text: each connection to a server prepares them once. */
export const names = new Map<string, string>()

/** Stands for a value of that name while a statement is compiled. */
class Place {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}
const places = new Proxy({}, { get: (_, name: string) => new Place(name) })

/**
 * A statement that Kysely compiles once, at its first use. Its text must not depend on the values, which are not there
 * yet when it is built: they can only be taken from `values` by their names, and become its parameters.
 */
export function statement<Values extends object, Row>(
  name: string,
  build: (db: Database, values: Values) => CompiledQuery<Row>,
): (db: Database, values: Values) => Promise<Row[]> {
  let compiled: CompiledQuery<Row> | undefined
  return async (db, values) => {
    if (!compiled) {
      compiled = build(db, places as Values)
      names.set(compiled.sql, name)
    }
    const parameters = compiled.parameters.map((value) =>
      value instanceof Place ? values[value.name as keyof Values] : value,
    )
    return (await db.executeQuery<Row>({ ...compiled, parameters })).rows
  }
}
