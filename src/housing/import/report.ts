import { randomUUID } from 'node:crypto'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Problem } from '../../contract/problems.ts'
import type { Fault } from '../../http/validation.ts'
import { csvLine } from '../export/csv.ts'
import { type Row, reportColumns } from './rows.ts'
import { type ImportReport, maxFaults } from './schemas.ts'

/** What the rejected rows can be. */
export type Format = 'csv' | 'ndjson'

/** What became of a row, or why it was rejected. */
export type Outcome = 'created' | 'updated' | 'unchanged' | Fault[]

/** What became of the rows of an import. */
export class Report {
  readonly counts = { received: 0, created: 0, updated: 0, unchanged: 0, rejected: 0 }
  /** The first faults. */
  readonly errors: ImportReport['errors'] = []
  /** Where the last row begins. */
  lastLine = 0
  readonly rejected: RejectedRows | undefined
  readonly #onProgress: (rows: number) => void

  /** `onProgress` receives each round number of rows. */
  constructor({ rejected, onProgress }: { rejected?: RejectedRows | undefined; onProgress: (rows: number) => void }) {
    this.rejected = rejected
    this.#onProgress = onProgress
  }

  async add(rows: Row[], outcomes: Outcome[]): Promise<void> {
    for (const [i, outcome] of outcomes.entries()) {
      if (typeof outcome === 'string') this.counts[outcome] += 1
      else this.#reject(rows[i] as Row, outcome)
    }
    await this.rejected?.flush()
    this.lastLine = rows.at(-1)?.line ?? this.lastLine
    const before = this.counts.received
    this.counts.received += rows.length
    const round = Math.floor(this.counts.received / progress) * progress
    if (round > before) this.#onProgress(round)
  }

  #reject(row: Row, faults: Fault[]): void {
    this.counts.rejected += 1
    const space = maxFaults - this.errors.length
    this.errors.push(...faults.slice(0, space).map((fault) => ({ line: row.line, ...fault })))
    this.rejected?.add(row, faults)
  }
}

/**
 * One object with the members of both. V8 gives each object of `{ ...one, ...other }` a hidden class of its own, and keeps
 * these until the next full garbage collection.
 */
const merged = (one: object, other: object) => Object.fromEntries([one, other].flatMap(Object.entries))

/** After how many rows the log tells how far an import is. */
const progress = 100_000

/**
 * The rejected rows, as CSV or NDJSON, with what is wrong with them: in a file that has no name any more, so none is left
 * behind.
 */
export class RejectedRows {
  readonly #format: Format
  #file: FileHandle
  #columns: string[] = []
  #lines: string[] = []

  private constructor(format: Format, file: FileHandle) {
    this.#format = format
    this.#file = file
  }

  static async open(format: Format): Promise<RejectedRows> {
    return new RejectedRows(format, await namelessFile())
  }

  /** Begins anew; CSV with a header. */
  async begin(columns: string[]): Promise<void> {
    await this.#file.close()
    this.#file = await namelessFile()
    this.#columns = columns
    this.#lines = this.#format === 'csv' ? [csvLine([...columns, ...reportColumns])] : []
  }

  add({ line, sent }: Row, faults: Fault[]): void {
    const all = (member: keyof Fault) => faults.map((fault) => fault[member]).join('; ')
    const report = { line, field: all('field'), code: all('code'), detail: all('detail') }
    const cells = () => [...this.#columns.map((name) => sent[name]), ...Object.values(report)]
    this.#lines.push(this.#format === 'csv' ? csvLine(cells()) : `${JSON.stringify(merged(sent, report))}\n`)
  }

  async flush(): Promise<void> {
    const lines = this.#lines.join('')
    this.#lines = []
    if (lines !== '') await this.#file.appendFile(lines).catch(unwritable)
  }

  /** All of them. The file is closed once they are read. */
  async read(): Promise<Readable> {
    await this.flush()
    return this.#file.createReadStream({ start: 0 })
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}

async function namelessFile(): Promise<FileHandle> {
  const path = join(tmpdir(), `sample-api-${randomUUID()}`)
  const file = await open(path, 'wx+', 0o600).catch(unwritable)
  await rm(path)
  return file
}

function unwritable({ code }: NodeJS.ErrnoException): never {
  const why = `The rejected rows cannot be written to a temporary file (${code}), so nothing was stored.`
  throw new Problem('unavailable', `${why} Ask for the report in JSON instead, or let the operator make room.`)
}
