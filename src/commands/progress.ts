import { Transform } from 'node:stream'

/** How often a terminal is told, in milliseconds. */
const interval = 200

/** Passes bytes through. A person at a terminal sees how many, and of how many if that is known. */
export function progress(what: string, total?: number): Transform {
  let bytes = 0
  let told = 0
  const tell = () => {
    const part = total ? ` of ${megabytes(total)} (${Math.floor((bytes / total) * 100)} %)` : ''
    process.stderr.write(`\r${what}: ${megabytes(bytes)}${part}`)
  }
  const isSeen = process.stderr.isTTY
  return new Transform({
    transform(chunk, _encoding, done) {
      bytes += chunk.length
      if (isSeen && performance.now() - told > interval) {
        tell()
        told = performance.now()
      }
      done(null, chunk)
    },
    flush(done) {
      if (isSeen) {
        tell()
        process.stderr.write('\n')
      }
      done()
    },
  })
}

const megabytes = (bytes: number) => `${(bytes / 1_000_000).toFixed(1)} MB`
