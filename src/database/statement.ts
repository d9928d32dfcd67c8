import type { CompiledQuery } from 'kysely'
import type { Database } from './tables.ts'

/**
 * The names of the statements compiled so far, by their text. Each connection to a server prepares a named one once.
 */
export const statementNames = new Map<string, string>()

const compilers: ((db: Database) => CompiledQuery)[] = []

/** Every statement that is compiled once. Its parameters are placeholders. */
export const compiledStatements = (db: Database): CompiledQuery[] => compilers.map((compile) => compile(db))

/** Stands for the value of that name while a statement is compiled. */
class Parameter {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}
const parameters = new Proxy({}, { get: (_, name: string) => new Parameter(name) })

/**
 * A statement that Kysely compiles once, at its first use. `build` gets placeholders, not values: use `values.x` only
 * as a parameter, never in a condition.
 */
export function statement<Values extends object, Row>(
  name: string,
  build: (db: Database, values: Values) => CompiledQuery<Row>,
): (db: Database, values: Values) => Promise<Row[]> {
  let compiled: CompiledQuery<Row> | undefined
  const compile = (db: Database) => {
    if (!compiled) {
      compiled = build(db, parameters as Values)
      statementNames.set(compiled.sql, name)
    }
    return compiled
  }
  compilers.push(compile)
  return async (db, values) => {
    const compiled = compile(db)
    const bound = compiled.parameters.map((value) =>
      value instanceof Parameter ? values[value.name as keyof Values] : value,
    )
    return (await db.executeQuery<Row>({ ...compiled, parameters: bound })).rows
  }
}
