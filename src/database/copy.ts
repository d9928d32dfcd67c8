import { type Compilable, createQueryId, PostgresQueryCompiler, type RootOperationNode } from 'kysely'
import pg from 'pg'

/** A COPY of the rows that a query finds. It has the values as literals, because COPY takes no parameters. */
export function copyOf(query: Compilable & { toOperationNode(): RootOperationNode }, options: string): string {
  const { sql } = new Inlining().compileQuery(query.toOperationNode(), createQueryId())
  return `copy (${sql}) to stdout with (${options})`
}

class Inlining extends PostgresQueryCompiler {
  protected override appendValue(value: unknown): void {
    this.append(literal(value))
  }
}

function literal(value: unknown): string {
  if (typeof value === 'number') return String(value)
  if (typeof value === 'string') return pg.escapeLiteral(value)
  if (Array.isArray(value)) return `array[${value.map(literal).join(', ')}]`
  throw new TypeError(`There is no literal for a ${typeof value}.`)
}
