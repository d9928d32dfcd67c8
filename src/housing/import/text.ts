import { isUtf8 } from 'node:buffer'
import { invalidFile } from './problems.ts'

const [lineFeed, carriageReturn] = [10, 13]

/** The bytes cannot be read as a file. */
export class UnreadableBytes extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/** The same bytes, in pieces of whole characters. Throws where they are not UTF-8, or where there is a NUL. */
export async function* utf8(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.of()
  const position = new Position()
  for await (const part of naming(bytes)) {
    const piece = rest.length > 0 ? Buffer.concat([rest, part]) : part
    const whole = piece.subarray(0, piece.length - incomplete(piece))
    check(whole)
    rest = piece.subarray(whole.length)
    yield whole
    position.pass(whole)
  }
  if (rest.length > 0) check(rest)

  async function* naming(bytes: AsyncIterable<Buffer>) {
    try {
      yield* bytes
    } catch (error) {
      throw error instanceof UnreadableBytes ? invalidFile({ line: position.line }, error.code, error.message) : error
    }
  }

  function check(piece: Buffer): void {
    const nul = piece.indexOf(0)
    if (isUtf8(piece) && nul < 0) return
    const end = isUtf8(piece) ? nul : validLength(piece)
    position.pass(piece.subarray(0, end))
    if (end === nul) throw invalidFile(position, 'nul', 'A file of text has no NUL.')
    throw invalidFile(position, 'encoding', 'The file must be in UTF-8. In Excel, save it as "CSV UTF-8".')
  }
}

/** A place in a text, in whose lines an editor counts: they end with LF, CR or CRLF. */
class Position {
  line = 1
  /** What was passed of the current line; no more than tells a column. */
  #begin: Buffer = Buffer.of()
  #last = 0

  get column(): number {
    return [...this.#begin.toString()].length + 1
  }

  pass(piece: Buffer): void {
    let begin = 0
    for (let at = 0; at < piece.length; at++) {
      const byte = piece[at] as number
      if (byte === carriageReturn || (byte === lineFeed && this.#last !== carriageReturn)) this.line += 1
      if (byte === carriageReturn || byte === lineFeed) begin = at + 1
      this.#last = byte
    }
    const passed = piece.subarray(begin)
    this.#begin = begin > 0 ? passed : Buffer.concat([this.#begin, passed]).subarray(0, 65536)
  }
}

/** How many bytes at the end begin a character that is not complete. */
function incomplete(piece: Buffer): number {
  for (let back = 1; back <= Math.min(3, piece.length); back++) {
    const byte = piece[piece.length - back] as number
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
    if (byte < 0x80) return 0
  }
  return 0
}

/** How many bytes are UTF-8, before those that are not. */
function validLength(piece: Buffer): number {
  const validIn = (length: number) => length - incomplete(piece.subarray(0, length))
  let [low, high] = [0, piece.length] // up to low it is valid, up to high it is not
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (isUtf8(piece.subarray(0, validIn(middle)))) low = middle
    else high = middle
  }
  return validIn(low)
}
