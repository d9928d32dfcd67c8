import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import {
  type ClaimedFolder,
  damaged,
  FolderRefused,
  fileSystemRefusal,
  fileSystemRefusalIn,
  unopened,
} from './embedded-folder.ts'
import { begin, change, committing, givenUp, newPhase, running } from './embedded-phase.ts'
import type { Failure, LastAnswer, Task } from './embedded-worker.ts'
import { NotDone, QueryTimeout, reason } from './errors.ts'

const second = 1000

/** How long a commit may take once the time of its statement is over, and a statement once the database is closed. */
const grace = second

/** How long Postgres may take to close its files. */
const maxClosing = 10 * second

const file = new URL('embedded-worker.js', import.meta.url)

interface Waiting {
  resolve: (answer: Buffer) => void
  reject: (error: Error) => void
}

/**
 * One run of Postgres, in a thread of its own, which can be ended at any time. To the folder that is a crash: what was
 * committed is there when Postgres starts again.
 */
export class EmbeddedPostgres {
  readonly #phase = newPhase()
  readonly #thread: Worker
  #waiting: Waiting | undefined
  #timer: NodeJS.Timeout | undefined
  /** Why Postgres ended itself; undefined while it runs. */
  fatalMessage: string | undefined
  /** Resolves once the thread, and with it every access to the folder, has ended. */
  readonly ended: Promise<void>

  private constructor(folder: Pick<ClaimedFolder, 'data' | 'isNew'>) {
    const task: Task = { data: folder.data, isNew: folder.isNew, phase: this.#phase }
    this.#thread = new Worker(file, { workerData: task })
    this.#thread.on('error', (error) => this.#lose(reason(error)))
    this.ended = new Promise((resolve) =>
      this.#thread.on('exit', () => {
        this.#lose('its thread ended')
        resolve()
      }),
    )
  }

  /** Starts Postgres over the folder; makes the database first where it is new. Throws {@link FolderRefused}. */
  static async start(
    folder: string,
    claimed: Pick<ClaimedFolder, 'data' | 'isNew'>,
    signal: AbortSignal,
  ): Promise<EmbeddedPostgres> {
    const postgres = new EmbeddedPostgres(claimed)
    const failure = await postgres.#started(signal)
    if (!failure) return postgres
    await postgres.#thread.terminate()
    signal.throwIfAborted()
    throw refusal(folder, failure, claimed.isNew)
  }

  async #started(signal: AbortSignal): Promise<Failure | undefined> {
    try {
      const ended = this.ended.then(() => {
        throw new Error('its thread ended')
      })
      const [report] = (await Promise.race([once(this.#thread, 'message', { signal }), ended])) as ['ready' | Failure]
      if (report !== 'ready') return report
      this.#thread.on('message', (report) => this.#receive(report))
      return undefined
    } catch (error) {
      const { name, message } = error as Error
      return { error: { name, message }, words: undefined, blank: undefined }
    }
  }

  /**
   * Sends messages of Postgres' protocol. If Postgres ends itself, the answer is what it said until then. After `limit`
   * milliseconds the thread is ended: throws {@link NotDone}, or {@link QueryTimeout} if something may be committed.
   */
  send(messages: Uint8Array, limit = Number.POSITIVE_INFINITY): Promise<Buffer> {
    if (this.fatalMessage !== undefined) return Promise.resolve(Buffer.of())
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      begin(this.#phase)
      this.#thread.postMessage(messages)
      if (Number.isFinite(limit)) this.#timer = setTimeout(() => this.#giveUp(limit), limit)
    })
  }

  /** Closes the files. A statement that runs may finish. */
  async close(): Promise<void> {
    const timer = setTimeout(() => void this.#thread.terminate(), this.#waiting ? grace : maxClosing)
    this.#thread.postMessage('close')
    await this.ended
    clearTimeout(timer)
  }

  #receive(report: Uint8Array<ArrayBuffer> | LastAnswer): void {
    if (report instanceof Uint8Array) {
      this.#settle()?.resolve(Buffer.from(report.buffer, report.byteOffset, report.length))
    } else {
      this.#lose(report.fatalMessage, Buffer.from(report.answer))
      void this.#thread.terminate()
    }
  }

  /** What waits for an answer, if anything does; afterwards nothing waits. */
  #settle(): Waiting | undefined {
    const waiting = this.#waiting
    clearTimeout(this.#timer)
    this.#waiting = undefined
    return waiting
  }

  #lose(fatalMessage: string, answer = Buffer.of()): void {
    this.fatalMessage ??= fatalMessage
    this.#settle()?.resolve(answer)
  }

  #giveUp(limit: number, graceIsOver = false): void {
    const phase = change(this.#phase, running, givenUp)
    const mayBeCommitted = phase === committing
    if (mayBeCommitted && !graceIsOver) this.#timer = setTimeout(() => this.#giveUp(limit, true), grace)
    else if (mayBeCommitted || phase === running) {
      const error = new QueryTimeout(limit)
      this.#settle()?.reject(mayBeCommitted ? error : new NotDone(error))
      void this.#thread.terminate()
    } // otherwise the answer is on its way
  }
}

function refusal(folder: string, { error, words, blank }: Failure, isNew: boolean): FolderRefused {
  const ofFileSystem = fileSystemRefusal(folder, error) ?? (words && fileSystemRefusalIn(folder, words))
  if (ofFileSystem) return ofFileSystem
  const what = words ?? reason(error)
  if (blank?.isUnreadable) return blankRefused(blank.file, what)
  const isOurs = words === undefined && error.syscall !== undefined // a file of PGlite's
  if (error.name === 'RangeError' || isOurs || /memory/.test(what)) return unopened(folder, what)
  if (blank) return blankRefused(blank.file, what)
  return isNew ? unopened(folder, what) : damaged(folder, what)
}

const blankRefused = (file: string, why: string) =>
  new FolderRefused(
    `${file}, from which a new database is made, cannot be used (${why}): install the program again, or delete that file; a new database is then made without it.`,
  )
