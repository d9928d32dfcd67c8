import { type Compilable, createQueryId, PostgresQueryCompiler, type RootOperationNode } from 'kysely'
import pg from 'pg'
import { firstTime, lastTime } from './type-parsers.ts'

/** A COPY, in the binary format, of the rows that a query finds. It has the values as literals, because COPY takes no parameters. */
export function copyOf(query: Compilable & { toOperationNode(): RootOperationNode }): string {
  const { sql } = new Inlining().compileQuery(query.toOperationNode(), createQueryId())
  return `copy (${sql}) to stdout with (format binary)`
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

/** A row as Postgres sends it: the value of column `i` is in the bytes from `starts[i]` to `ends[i]`. */
export class Row {
  bytes: Buffer = Buffer.alloc(0)
  readonly starts: number[] = []
  readonly ends: number[] = []

  /** At least as many bytes as all its values have. */
  get length(): number {
    return (this.ends.at(-1) as number) - (this.starts[0] as number)
  }

  /** The first byte of a value, unless it is empty. */
  firstByte(column: number): number | undefined {
    const start = this.starts[column] as number
    return start < (this.ends[column] as number) ? this.bytes[start] : undefined
  }

  /** A text: its UTF-8, with one character for each byte. */
  latin1(column: number): string {
    return this.bytes.toString('latin1', this.starts[column], this.ends[column])
  }

  integer(column: number): number {
    return this.bytes.readInt32BE(this.starts[column])
  }

  /** A timestamp, in milliseconds since 1970. As elsewhere, it lies in the years 1 to 9999. */
  time(column: number): number {
    const start = this.starts[column] as number
    const [high, low] = [this.bytes.readInt32BE(start), this.bytes.readUInt32BE(start + 4)]
    // A thousandth of the microseconds since 2000, high × 2³² + low, in steps that a double holds exactly
    const millis = millisOf2000 + high * 4_294_967 + Math.floor((high * 296 + low) / 1000)
    return Math.min(Math.max(millis, firstMillis), lastMillis)
  }
}

const millisOf2000 = Date.UTC(2000, 0, 1)
const [firstMillis, lastMillis] = [Date.parse(firstTime), Date.parse(lastTime)]

/** The signature, the flags, and the length of an extension, of which there is none. */
const headerLength = 19

/** The rows that a COPY in the binary format sends, as they arrive. None of its columns is null. The rows share an object. */
export async function* rowsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Iterable<Row>> {
  const row = new Row()
  let start = headerLength
  function* whole() {
    for (let end = find(row, start); end > start; end = find(row, start)) {
      yield row
      start = end
    }
  }
  for await (const chunk of chunks) {
    const rest = row.bytes.subarray(start)
    start = Math.max(0, start - row.bytes.length)
    row.bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    yield whole()
  }
}

/** Finds the values of the row that begins here. Answers where it ends, or `start` if it has not arrived as a whole. */
function find({ bytes, starts, ends }: Row, start: number): number {
  let at = start + 2
  const count = at <= bytes.length ? bytes.readInt16BE(start) : 0 // -1 is the end
  for (let i = 0; i < count; i++) {
    if (at + 4 > bytes.length) return start
    starts[i] = at + 4
    at += 4 + bytes.readInt32BE(at)
    ends[i] = at
  }
  return count > 0 && at <= bytes.length ? at : start
}
