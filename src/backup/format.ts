import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { pipeline } from 'node:stream'
import { createGunzip } from 'node:zlib'

// A backup is gzip over lines of JSON; docs/backup.md describes it. A line that begins with { is a row. The others are
// arrays of a word and an object:
//   ["sample-api backup", {format, release, schema, at, postgres}]    the first line
//   ["table", {name, columns}]                                        its rows follow
//   ["rows", {count, sha256}]                                         of the table, ends it
//   ["sequences", {name: last value, or null}]                        after the tables
//   ["end", {sha256}]                                                 of all lines before it

/** The format that this release writes, and the newest that it reads. */
export const format = 1

export interface Header {
  format: number
  release: string
  /** The highest version of the migrations of its database. */
  schema: string
  at: string
  postgres: string
}

export interface StoredTable {
  name: string
  columns: string[]
  count: number
  /** Of its rows, each with its newline. */
  sha256: string
}

/** What a backup contains, without the rows. */
export interface Contents {
  header: Header
  tables: StoredTable[]
  sequences: Record<string, string | null>
}

/** The file cannot be restored; the message says why and what to do. */
export class BackupRefused extends Error {}

const word = 'sample-api backup'
const newline = Buffer.from('\n')
const brace = '{'.charCodeAt(0)

/** How many rows, and about how many bytes, are handed on at a time. */
const [maxRows, maxBytes] = [1000, 1_000_000]

/** Makes the lines of a backup, and counts and hashes them. */
export class Lines {
  readonly #all = createHash('sha256')
  #table: { hash: Hash; count: number } = { hash: createHash('sha256'), count: 0 }

  begin = (header: Header) => this.#line(word, header)

  beginTable(table: { name: string; columns: string[] }): string {
    this.#table = { hash: createHash('sha256'), count: 0 }
    return this.#line('table', table)
  }

  rows(rows: string[]): string {
    const text = `${rows.join('\n')}\n`
    this.#all.update(text)
    this.#table.hash.update(text)
    this.#table.count += rows.length
    return text
  }

  /** Ends the table, and answers what it has, and the line that says so. */
  endTable() {
    const has = { count: this.#table.count, sha256: this.#table.hash.digest('hex') }
    return { has, line: this.#line('rows', has) }
  }

  sequences = (values: Contents['sequences']) => this.#line('sequences', values)

  end = () => `${JSON.stringify(['end', { sha256: this.#all.digest('hex') }])}\n`

  #line(word: string, value: object): string {
    const text = `${JSON.stringify([word, value])}\n`
    this.#all.update(text)
    return text
  }
}

/** Receives the rows of a table, as they are in the file. */
type Take = (table: Pick<StoredTable, 'name' | 'columns'>, rows: string[]) => Promise<void>

/** Reads a whole backup, and compares it with its own counts and checksums. Throws {@link BackupRefused}. */
export async function readBackup(file: string, take: Take = async () => {}): Promise<Contents> {
  const reader = new Reader(take)
  const bytes = createReadStream(file)
  const unpacked = pipeline(bytes, createGunzip({ chunkSize: 64 * 1024 }), () => {}) // an error ends the loop
  try {
    for await (const lines of linesOf(unpacked)) for (const line of lines) await reader.read(line)
    const { size } = await stat(file)
    if (unpacked.bytesWritten !== size)
      reader.refuse(`has ${size - unpacked.bytesWritten} bytes after its end: copy it again, or use another backup`)
    return reader.finish()
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    if (error instanceof Misplaced) throw new BackupRefused(`${file} ${message}`)
    if (code.startsWith('Z_')) throw new BackupRefused(`${file} ${reader.broken(code)}`)
    if (bytes.errored) throw new BackupRefused(`${file} cannot be read: ${message}`)
    throw error
  }
}

/** What is wrong with a file, as the rest of a sentence about it. */
class Misplaced extends Error {}

type OpenTable = Omit<StoredTable, 'sha256'> & { hash: Hash }

class Reader {
  readonly #take: Take
  readonly #all = createHash('sha256')
  readonly #tables: StoredTable[] = []
  #header: Header | undefined
  #table: OpenTable | undefined
  #sequences: Contents['sequences'] | undefined
  #rows: string[] = []
  #bytes = 0
  #isComplete = false

  constructor(take: Take) {
    this.#take = take
  }

  async read(line: Buffer): Promise<void> {
    if (this.#isComplete) this.refuse('goes on after its end: copy it again, or use another backup')
    if (!this.#table || line[0] !== brace) {
      await this.#pass()
      this.#readWord(line)
      return
    }
    this.#table.count += 1
    this.#table.hash.update(line).update(newline)
    this.#all.update(line).update(newline)
    this.#rows.push(line.toString())
    this.#bytes += line.length
    if (this.#rows.length === maxRows || this.#bytes > maxBytes) await this.#pass()
  }

  /** Hands on the rows that have been read. */
  async #pass(): Promise<void> {
    if (this.#table && this.#rows.length > 0) await this.#take(this.#table, this.#rows)
    this.#rows = []
    this.#bytes = 0
  }

  #readWord(line: Buffer): void {
    const [found, value] = parsed(line)
    if (this.#header === undefined) {
      if (found !== word) this.refuse('is not a backup that `backup` wrote: use another file')
      this.#header = value as Header
      if (this.#header.format > format)
        this.refuse(
          `has format ${this.#header.format}, which this release does not know: restore it with release ${this.#header.release} or later`,
        )
    } else if (found === 'table' && !this.#table && !this.#sequences) {
      this.#table = { ...(value as { name: string; columns: string[] }), count: 0, hash: createHash('sha256') }
    } else if (found === 'rows' && this.#table) {
      this.#endTable(value as { count: number; sha256: string })
    } else if (found === 'sequences' && !this.#table && !this.#sequences) {
      this.#sequences = value as Contents['sequences']
    } else if (found === 'end' && this.#sequences) {
      if ((value as { sha256: string }).sha256 !== this.#all.digest('hex'))
        this.refuse('is damaged: its checksum is not that of what it contains')
      this.#isComplete = true
      return
    } else this.refuse(`is damaged ${this.#place()}: it has a line that does not belong there`)
    this.#all.update(line).update(newline)
  }

  #endTable({ count, sha256 }: { count: number; sha256: string }): void {
    const { hash, ...table } = this.#table as OpenTable
    if (table.count !== count) this.refuse(`is damaged: of the ${count} rows of ${table.name} it has ${table.count}`)
    if (hash.digest('hex') !== sha256)
      this.refuse(`is damaged: the rows of ${table.name} are not those that were written`)
    this.#tables.push({ ...table, sha256 })
    this.#table = undefined
  }

  finish(): Contents {
    if (!this.#header || !this.#sequences || !this.#isComplete) this.refuse(this.broken('Z_BUF_ERROR'))
    return { header: this.#header, tables: this.#tables, sequences: this.#sequences }
  }

  /** The rest of a sentence about a file that cannot be unpacked. */
  broken(code: string): string {
    if (this.#isComplete) return 'is damaged at its end: copy it again, or use another backup'
    if (code === 'Z_BUF_ERROR') return `is cut off ${this.#place()}: copy it again, or use another backup`
    if (this.#header) return `is damaged ${this.#place()}: copy it again, or use another backup`
    return 'is damaged, or is not a backup that `backup` wrote: use another file'
  }

  #place(): string {
    if (this.#table) return `in the rows of ${this.#table.name}, after ${this.#table.count}`
    const last = this.#tables.at(-1)
    return last ? `after the rows of ${last.name}` : 'at its beginning'
  }

  refuse(what: string): never {
    throw new Misplaced(what)
  }
}

/** The word and the object of a line; nothing where it has another form. */
function parsed(line: Buffer): [word?: string, value?: object] {
  try {
    const value = JSON.parse(line.toString())
    return Array.isArray(value) && typeof value[1] === 'object' && value[1] !== null ? [value[0], value[1]] : []
  } catch {
    return []
  }
}

/** The lines of a text, without their ends, as its pieces arrive. */
async function* linesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer[]> {
  let rest: Buffer[] = []
  for await (const chunk of chunks) {
    const lines: Buffer[] = []
    let start = 0
    for (let end = chunk.indexOf(newline); end !== -1; end = chunk.indexOf(newline, start)) {
      const line = chunk.subarray(start, end)
      lines.push(rest.length > 0 ? Buffer.concat([...rest, line]) : line)
      rest = []
      start = end + 1
    }
    if (start < chunk.length) rest.push(chunk.subarray(start))
    yield lines
  }
  if (rest.length > 0) yield [Buffer.concat(rest)]
}
