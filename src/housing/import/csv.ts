import { pipeline, Readable } from 'node:stream'
import { type CsvError, type Options, Parser } from 'csv-parse'
import { isFormula } from '../export/csv.ts'
import { writableMembers } from '../schemas.ts'
import { invalidFile, type Place } from './problems.ts'
import { columns, ignoredColumns, type Row } from './rows.ts'

/** The most characters of a cell, and the most bytes of a row. */
const [maxCell, maxRow] = [8192, 65536]

/** The most rows of blanks that have another number of cells than the header: they take the parser long. */
const maxBlank = 1000

/** The cells of a row, and the line in which it begins. */
interface CsvRow {
  line: number
  cells: string[]
}

/**
 * The rows of a CSV file (RFC 4180) that is in UTF-8, without blank ones, and the names of the columns that count. An empty
 * `id` or `version` is none. Throws where it is not such a file.
 */
export async function* csvRows(
  text: AsyncIterable<Buffer>,
): AsyncGenerator<{ line: number; columns: string[]; members: Row['sent'] }> {
  const { first, all } = await withFirstLine(text)
  const lines = new LineCounter()
  const parser = new LineParser(lines, {
    bom: true,
    delimiter: delimiterOf(first),
    max_record_size: maxRow,
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true, // checked below, as its own error names no line
    skip_empty_lines: true,
  })
  pipeline(Readable.from(all), parser, () => {}) // an error ends the loop below
  let header: string[] | undefined
  let counting: string[] = []
  let blank = 0
  try {
    for await (const { line, cells } of parser as AsyncIterable<CsvRow>) {
      if (!header) {
        header = namesIn(cells, line)
        counting = columns.filter((name) => header?.includes(name))
      } else if (cells.some((cell) => cell.trim() !== '') || (cells.length !== header.length && ++blank > maxBlank)) {
        yield { line, columns: counting, members: membersOf(cells, header, line) }
      }
    }
  } catch (error) {
    throw unreadable(error as CsvError, lines)
  }
  if (!header) throw invalidFile({ line: 1 }, 'empty', 'The file is empty. Its first line must name the columns.')
}

/**
 * csv-parse, with the line of each row. It does not use `on_record`, which gets a copy of all counts with each row: that
 * takes twice as long, and leaves 250 bytes a row until the next full garbage collection.
 */
class LineParser extends Parser {
  readonly #lines: LineCounter

  constructor(lines: LineCounter, options: Options) {
    super(options)
    this.#lines = lines
  }

  override push(cells: string[] | null): boolean {
    return super.push(cells && ({ line: this.#lines.of(cells, this.info), cells } satisfies CsvRow))
  }
}

/** Counts lines as an editor does. (csv-parse counts a CRLF within quotes twice.) */
class LineCounter {
  /** The last line of what was read. */
  #last = 0
  #info = { lines: 0, empty_lines: 0 }

  /** The line in which these cells begin. */
  of(cells: string[], { lines, empty_lines }: { lines: number; empty_lines: number }): number {
    const blank = empty_lines - this.#info.empty_lines
    const isOneLine = lines - this.#info.lines - blank === 1
    const begin = this.#last + blank + 1
    this.#last = isOneLine ? begin : begin + cells.join().split(/\r\n|\r|\n/).length - 1
    this.#info = { lines, empty_lines }
    return begin
  }

  /** The line in which the next row begins, unless lines are blank. */
  get next(): number {
    return this.#last + 1
  }
}

/** The bytes up to the end of the first line, or enough of them to tell that it is too long; and all bytes. */
async function withFirstLine(text: AsyncIterable<Buffer>) {
  const chunks = text[Symbol.asyncIterator]()
  let first = Buffer.of()
  while (!/[\r\n]/.test(first.toString()) && first.length < maxRow) {
    const { value, done } = await chunks.next()
    if (done) break
    first = Buffer.concat([first, value])
  }
  async function* all() {
    yield first
    yield* { [Symbol.asyncIterator]: () => chunks }
  }
  return { first: first.toString(), all: all() }
}

/** The one of the usual delimiters that the first line has most often. */
function delimiterOf(text: string): string {
  const [line = ''] = text.split(/[\r\n]/)
  const count = (delimiter: string) => line.split(delimiter).length
  return [',', ';', '\t'].reduce((most, other) => (count(other) > count(most) ? other : most))
}

function namesIn(cells: string[], line: number): string[] {
  const names = cells.map((name) => name.trim().toLowerCase())
  for (const [i, name] of names.entries()) {
    const place = { line, column: i + 1 }
    if (![...columns, ...ignoredColumns].includes(name))
      throw invalidFile(place, 'unknown-column', `There is no column ${quoted(name)}. Known: ${columns.join(', ')}.`)
    if (names.indexOf(name) < i) throw invalidFile(place, 'repeated-column', `The column ${name} occurs twice.`)
  }
  const missing = names.includes('id') ? undefined : writableMembers.find((name) => !names.includes(name))
  if (missing)
    throw invalidFile({ line, column: names.length + 1 }, 'missing-column', `The column ${missing} is missing.`)
  return names
}

function membersOf(cells: string[], header: string[], line: number): Row['sent'] {
  if (cells.length !== header.length) {
    const column = Math.min(cells.length, header.length) + 1
    const what = `The header names ${header.length} columns, but the row has ${cells.length}.`
    throw invalidFile({ line, column }, 'ragged', what)
  }
  const tooLong = cells.findIndex((cell) => cell.length > maxCell)
  if (tooLong >= 0)
    throw invalidFile({ line, column: tooLong + 1 }, 'too-long', `A cell may have at most ${maxCell} characters.`)
  const members: Row['sent'] = {}
  for (const [i, name] of header.entries()) {
    const text = unescaped(cells[i] as string)
    if (name === 'id' || name === 'version') {
      if (text !== '') members[name] = numberIn(text)
    } else if (columns.includes(name)) members[name] = text
  }
  return members
}

/** Digits are a number. Anything else is found to be wrong later. */
const numberIn = (text: string) => (/^\d{1,15}$/.test(text) ? Number(text) : text)

/** Without the apostrophe that an export puts before what a spreadsheet would run as a formula. */
const unescaped = (cell: string) => (cell.startsWith("'") && isFormula(cell) ? cell.slice(1) : cell)

function unreadable(error: CsvError, lines: LineCounter): unknown {
  const what = lines.next === 1 ? 'header' : 'row'
  const place: Place = { line: lines.next, ...(typeof error.column === 'number' && { column: error.column + 1 }) }
  switch (error.code) {
    case 'CSV_MAX_RECORD_SIZE':
      return invalidFile(place, 'too-long', `A ${what} may have at most ${maxRow} bytes. Is a quote not closed?`)
    case 'CSV_QUOTE_NOT_CLOSED':
      return invalidFile(place, 'quote', 'A quote is not closed.')
    case 'INVALID_OPENING_QUOTE':
    case 'CSV_INVALID_CLOSING_QUOTE':
      return invalidFile(place, 'quote', 'A cell with quotes must be within quotes, and its own quotes doubled.')
    default:
      return error
  }
}

const quoted = (name: string) => JSON.stringify(name.length > 50 ? `${name.slice(0, 50)}…` : name)
