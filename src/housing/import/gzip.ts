import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { UnreadableBytes } from './text.ts'

/** How many times longer than its compressed bytes a file may be; at first, by this many bytes. */
const [maxRatio, allowance] = [100, 1024 * 1024]

/** Decompressed bytes. Throws where they are not gzip, or expand like a bomb. */
export async function* gunzipped(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let received = 0
  async function* counted() {
    for await (const piece of bytes) {
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
    throw code?.startsWith('Z_') ? new UnreadableBytes('gzip', `The body is not gzip: ${message}.`) : error
  }
}
