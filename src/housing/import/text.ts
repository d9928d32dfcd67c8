import { isUtf8 } from 'node:buffer'
import { invalidFile } from './problems.ts'

const lineFeed = 10

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
  let line = 1
  let lineBegin: Buffer = Buffer.of() // what was sent of the current line
  for await (const part of naming(bytes)) {
    const piece = rest.length > 0 ? Buffer.concat([rest, part]) : part
    const whole = piece.subarray(0, piece.length - incomplete(piece))
    check(whole)
    rest = piece.subarray(whole.length)
    yield whole
    for (let at = whole.indexOf(lineFeed); at >= 0; at = whole.indexOf(lineFeed, at + 1)) line += 1
    const last = whole.lastIndexOf(lineFeed)
    lineBegin = last >= 0 ? whole.subarray(last + 1) : Buffer.concat([lineBegin, whole]).subarray(0, 65536)
  }
  if (rest.length > 0) check(rest)

  async function* naming(bytes: AsyncIterable<Buffer>) {
    try {
      yield* bytes
    } catch (error) {
      throw error instanceof UnreadableBytes ? invalidFile({ line }, error.code, error.message) : error
    }
  }

  function check(piece: Buffer): void {
    const nul = piece.indexOf(0)
    if (isUtf8(piece) && nul < 0) return
    const end = isUtf8(piece) ? nul : validLength(piece)
    const before = Buffer.concat([lineBegin, piece.subarray(0, end)])
      .toString()
      .split('\n')
    const place = { line: line + before.length - 1, column: [...(before.at(-1) ?? '')].length + 1 }
    if (end === nul) throw invalidFile(place, 'nul', 'A file of text has no NUL.')
    throw invalidFile(place, 'encoding', 'The file must be in UTF-8. In Excel, save it as "CSV UTF-8".')
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
