import type { Row } from '../../database/copy.ts'
import { Housing } from '../schemas.ts'
import { csvCell, csvLine } from './csv.ts'
import { Output } from './output.ts'
import { type ExportDatabase, houseRows, type List } from './queries.ts'

export type Format = 'csv' | 'ndjson'

/** How many bytes are sent at once, at least. */
const chunkLength = 65_536

/** The file of all houses for which the condition holds, in order. On a server it shows one moment. `signal` ends it early. */
export async function* exportHousing(database: ExportDatabase, list: List, format: Format, signal: AbortSignal) {
  const output = new Output()
  const syntax = formats[format]
  output.latin1(syntax.header)
  for await (const rows of houseRows(database, list, signal)) {
    for (const row of rows) writeHouse(output, row, syntax)
    if (output.length >= chunkLength) yield output.take()
  }
  if (output.length > 0) yield output.take()
}

const members = Object.keys(Housing.properties)
const kinds = Object.values(Housing.properties).map((schema) =>
  schema.type === 'integer' ? 'integer' : 'format' in schema ? 'time' : 'text',
)

/** How a format writes a house. */
interface Syntax {
  header: string
  /** What stands before each member. */
  before: string[]
  end: string
  /** What stands on both sides of a time, and of a text without special bytes. */
  quote: string
  isSpecial: Uint8Array
  /** Writes any other text, with its quotes. Each byte of the UTF-8 is a character of the string. */
  write: (latin1: string) => string
  /** Whether `write` writes a text that begins with this byte. */
  isSpecialFirst: Uint8Array
}

const formats: Record<Format, Syntax> = {
  csv: {
    header: csvLine(members),
    before: members.map((_, i) => (i === 0 ? '' : ',')),
    end: '\n',
    quote: '',
    isSpecial: marked(',"\r\n'),
    write: csvCell,
    isSpecialFirst: marked("'=+-@\t"),
  },
  ndjson: {
    header: '',
    before: members.map((name, i) => `${i === 0 ? '{' : ','}"${name}":`),
    end: '}\n',
    quote: '"',
    isSpecial: marked('"\\').fill(1, 0, 0x20),
    write: JSON.stringify,
    isSpecialFirst: marked(''),
  },
}

/** Marks the bytes of these characters. */
function marked(characters: string): Uint8Array {
  const marks = new Uint8Array(256)
  for (const byte of Buffer.from(characters)) marks[byte] = 1
  return marks
}

/** The most bytes that one byte of text becomes: `\u0001` in JSON. */
const widest = 6

function writeHouse(output: Output, row: Row, syntax: Syntax): void {
  const { before, end, quote } = syntax
  output.room(1024 + widest * row.length)
  for (let i = 0; i < kinds.length; i++) {
    output.latin1(before[i] as string)
    if (kinds[i] === 'integer') output.latin1(String(row.integer(i)))
    else if (kinds[i] === 'text') writeText(output, row, i, syntax)
    else {
      output.latin1(quote)
      output.time(row.time(i))
      output.latin1(quote)
    }
  }
  output.latin1(end)
}

function writeText(output: Output, row: Row, column: number, syntax: Syntax): void {
  const { quote, isSpecial, isSpecialFirst, write } = syntax
  const begin = output.length
  output.latin1(quote)
  const first = row.firstByte(column)
  if (first !== undefined && isSpecialFirst[first] === 0 && output.copy(row, column, isSpecial)) output.latin1(quote)
  else {
    output.length = begin
    output.latin1(write(row.latin1(column)))
  }
}
