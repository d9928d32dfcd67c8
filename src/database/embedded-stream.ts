import { Duplex } from 'node:stream'
import type { Engine } from './embedded-engine.ts'
import { statements, terminate, withoutCopy } from './embedded-messages.ts'

type Done = (error?: Error | null) => void

/**
 * A stream that pg uses as its socket and that leads to PGlite; Postgres' protocol passes through unchanged, except that
 * a COPY from the client fails. (PGlite's own adapter for pg parses the answers itself, and drops a U+FEFF from the
 * start of each text.)
 */
export class EmbeddedStream extends Duplex {
  readonly #engine: Engine
  readonly #opened: Promise<void>

  constructor(engine: Engine, opened: Promise<void>) {
    super()
    this.#engine = engine
    this.#opened = opened
  }

  /** Ends what an abandoned connection left in PGlite's only session: its transaction and its prepared statements. */
  connect(): void {
    this.#opened
      .then(() => this.#engine.send(statements('rollback; deallocate all')))
      .then(
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
    const answered = bytes[0] === terminate ? Promise.resolve(Buffer.of()) : this.#engine.send(withoutCopy(bytes))
    answered.then((answer) => {
      this.push(answer)
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
