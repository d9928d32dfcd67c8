import { Duplex } from 'node:stream'
import type { PGlite } from '@electric-sql/pglite'

type Done = (error?: Error | null) => void

const terminate = 'X'.charCodeAt(0)

/**
 * A stream that pg uses as its socket and that leads to PGlite; Postgres' protocol passes through unchanged. (PGlite's
 * own adapter for pg parses the answers itself, and drops a U+FEFF from the start of each text.)
 */
export class EmbeddedStream extends Duplex {
  readonly #lite: PGlite

  constructor(lite: PGlite) {
    super()
    this.#lite = lite
  }

  /** Rolls back what an abandoned connection left open, because PGlite has only one session. */
  connect(): void {
    this.#lite.exec('rollback').then(
      () => this.emit('connect'),
      (error) => this.destroy(error),
    )
  }

  setNoDelay(): void {}
  ref(): void {}
  unref(): void {}
  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: Done): void {
    // The end of a connection would be the end of PGlite.
    const answered = bytes[0] === terminate ? Promise.resolve(new Uint8Array()) : this.#lite.execProtocolRaw(bytes)
    answered.then((answer) => {
      this.push(Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength))
      done()
    }, done)
  }

  override _writev(parts: { chunk: Buffer }[], done: Done): void {
    this._write(Buffer.concat(parts.map(({ chunk }) => chunk)), '', done)
  }

  override _final(done: Done): void {
    this.push(null)
    done()
  }
}
