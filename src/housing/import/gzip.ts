import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { UnreadableBytes } from './text.ts'

/** How many times longer than its compressed bytes a file may be; at first, by this many bytes. */
const [maxRatio, allowance] = [100, 1024 * 1024]

/** How each compressed file begins; several may follow each other. */
const magic = Buffer.of(0x1f, 0x8b)

/** Decompressed bytes. Throws where they are not gzip, or expand like a bomb. */
export async function* gunzipped(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let received = 0
  let begin = Buffer.of()
  async function* counted() {
    for await (const piece of bytes) {
      if (begin.length < magic.length) begin = Buffer.concat([begin, piece.subarray(0, magic.length)])
      received += piece.length
      yield piece
    }
  }
  const gunzip = createGunzip()
  pipeline(Readable.from(counted()), gunzip, () => {}) // an error ends the loop below
  let expanded = 0
  try {
    for await (const piece of gunzip as AsyncIterable<Buffer>) {
      expanded += piece.length
      if (expanded > received * maxRatio + allowance)
        throw new UnreadableBytes('gzip', `The file is more than ${maxRatio} times as long as its compressed bytes.`)
      yield piece
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (!code?.startsWith('Z_')) throw error
    const hasMore = message === 'incorrect header check' && begin.subarray(0, magic.length).equals(magic)
    const what = hasMore ? 'Behind the compressed file are bytes that are not gzip' : `The body is not gzip: ${message}`
    throw new UnreadableBytes('gzip', `${what}.`)
  }
}
