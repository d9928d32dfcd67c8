import { checkBudget } from '../../http/budget.ts'
import { invalidFile } from './problems.ts'

const lineFeed = 10
const blanks = new Set([...' \t\r'].map((blank) => blank.charCodeAt(0)))
/** The most bytes of a line. */
const maxLine = 65536

/** The values in the lines of a file that is in UTF-8 (NDJSON), without blank lines. Throws where one is not JSON. */
export async function* ndjsonRows(text: AsyncIterable<Buffer>): AsyncGenerator<{ line: number; value: unknown }> {
  for await (const { line, bytes } of linesOf(text)) {
    if (bytes.length > maxLine) throw invalidFile({ line }, 'too-long', `A line may have at most ${maxLine} bytes.`)
    const json = bytes.toString()
    if (json.trim() !== '') yield { line, value: parsed(line === 1 ? json.replace(/^\uFEFF/, '') : json, line) }
  }
}

/** Lines without their ends, and without most blank ones. One that is too long ends early. */
async function* linesOf(text: AsyncIterable<Buffer>): AsyncGenerator<{ line: number; bytes: Buffer }> {
  let line = 1
  let rest: Buffer = Buffer.of()
  for await (const piece of text) {
    const bytes = rest.length > 0 ? Buffer.concat([rest, piece]) : piece
    let begin = 0
    for (let end = bytes.indexOf(lineFeed); end >= 0; end = bytes.indexOf(lineFeed, begin)) {
      // Here, as each `yield` takes long: a file may have millions of blank lines.
      if (!isBlank(bytes, begin, end)) yield { line, bytes: bytes.subarray(begin, end) }
      begin = end + 1
      line += 1
    }
    rest = bytes.subarray(begin)
    if (rest.length > maxLine) break
  }
  if (rest.length > 0) yield { line, bytes: rest }
}

function isBlank(bytes: Buffer, begin: number, end: number): boolean {
  for (let at = begin; at < end; at++) if (!blanks.has(bytes[at] as number)) return false
  return true
}

function parsed(json: string, line: number): unknown {
  try {
    checkBudget(json, Number.POSITIVE_INFINITY)
    return JSON.parse(json)
  } catch (error) {
    const { message } = error as Error
    const [, position] = /at position (\d+)/.exec(message) ?? [] // V8 names it only in long lines
    const place = { line, ...(position !== undefined && { column: Number(position) + 1 }) }
    throw invalidFile(place, 'json', `The line is not a JSON object: ${message.replace(/\.?$/, '.')}`)
  }
}
