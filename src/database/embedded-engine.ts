import {
  type ClaimedFolder,
  claimFolder,
  entryAt,
  FolderRefused,
  fileSystemRefusal,
  type Report,
} from './embedded-folder.ts'
import { fatalError, hasError, readyForQuery, startup, statements } from './embedded-messages.ts'
import { EmbeddedPostgres } from './embedded-postgres.ts'
import { reason } from './errors.ts'

/** How long after a failed start the next one is tried, in milliseconds. */
const pause = 1000

/**
 * Postgres over a folder that this process has locked. Postgres ends itself if it cannot go on safely, such as when a
 * full disk has no space for its log; and it is ended when a statement takes too long. It is then started again, and
 * recovers as after a crash.
 */
export class Engine {
  readonly #folder: string
  readonly #session: string
  readonly #report: Report
  readonly #closing = new AbortController()
  #claimed: ClaimedFolder | undefined
  #postgres: EmbeddedPostgres | undefined
  #starting: Promise<EmbeddedPostgres | FolderRefused> | undefined
  /** The end of the last run. */
  #ended = Promise.resolve()
  #startup: Uint8Array | undefined
  #refusal: { error: FolderRefused; until: number } | undefined
  /** How long a statement may take, in milliseconds. */
  limit = Number.POSITIVE_INFINITY
  /** When a statement was last answered, a time of `performance.now()`. */
  answered = Number.NEGATIVE_INFINITY
  /** Runs after Postgres has ended, and its session with it. */
  onEnd: () => void = () => {}
  /** Runs after Postgres was started again, in a session without LISTENs. */
  onRestart: () => void = () => {}

  /** `session`: statements that set up a new session. */
  constructor(folder: string, session: string, report: Report) {
    this.#folder = folder
    this.#session = session
    this.#report = report
  }

  /** Locks and checks the folder, if it exists, and changes nothing in it. Throws {@link FolderRefused}. */
  async claim(): Promise<void> {
    try {
      if (entryAt(this.#folder)) this.#claimed = await claimFolder(this.#folder, this.#report)
    } catch (error) {
      throw fileSystemRefusal(this.#folder, error) ?? error
    }
  }

  /** Tells other processes where this one listens. */
  announce(url: string): void {
    this.#claimed?.announce(url)
  }

  /** Starts Postgres over the folder; makes both where there is nothing. Throws {@link FolderRefused}. */
  async open(): Promise<void> {
    try {
      this.#claimed ??= await claimFolder(this.#folder, this.#report)
      const { isNew, prepare, markReady } = this.#claimed
      if (isNew) this.#report.info(`Making the database in ${this.#folder}; this takes a few seconds.`)
      prepare()
      this.#postgres = await this.#start(() => this.#run(isNew))
      if (isNew) markReady()
    } catch (error) {
      await this.close()
      throw fileSystemRefusal(this.#folder, error) ?? error
    }
  }

  /**
   * Sends messages of Postgres' protocol. Where Postgres ends itself, or cannot be started, the answer says so. Throws if
   * the statement takes too long, as {@link EmbeddedPostgres.send} does.
   */
  async send(messages: Uint8Array): Promise<Buffer> {
    if (messages[0] === startup) this.#startup = messages
    const postgres = this.#postgres ?? (await this.#start(() => this.#restart()))
    if (postgres instanceof FolderRefused)
      return Buffer.concat([fatalError(postgres.sqlState, postgres.message), readyForQuery])
    const answer = await postgres.send(messages, this.limit).catch((error) => {
      this.#end(postgres, 'was ended', reason(error))
      throw error
    })
    if (postgres.fatalMessage === undefined) {
      this.answered = performance.now()
      return answer
    }
    this.#end(postgres, 'ended itself', postgres.fatalMessage)
    return Buffer.concat([
      answer,
      hasError(answer) ? Buffer.of() : fatalError('57P01', postgres.fatalMessage),
      readyForQuery,
    ])
  }

  /** Gives up what has not ended within a second. Statements are rejected from now on. */
  async close(): Promise<void> {
    this.#closing.abort(new Error('The database is closed.'))
    await this.#starting?.catch(() => {})
    await this.#postgres?.close()
    await this.#ended
    this.#postgres = undefined
    this.#claimed?.release()
    this.#claimed = undefined
  }

  /** Prepares a start after this end, which is the end of the session too. */
  #end(postgres: EmbeddedPostgres, how: string, why: string): void {
    if (this.#postgres !== postgres || this.#closing.signal.aborted) return
    this.#postgres = undefined
    this.answered = Number.NEGATIVE_INFINITY
    this.#report.warn(`Postgres ${how} and is started again: ${why}.`)
    this.onEnd()
    this.#start(() => this.#restart()).catch(() => {}) // the next statement tries again
  }

  /** Only one start is under way at a time; who else wants one gets the same. */
  #start<T extends EmbeddedPostgres | FolderRefused>(start: () => Promise<T>): Promise<T> {
    const starting = this.#starting as Promise<T> | undefined
    if (starting) return starting
    const begun = start().finally(() => (this.#starting = undefined))
    this.#starting = begun
    return begun
  }

  async #run(isNew: boolean): Promise<EmbeddedPostgres> {
    await this.#ended // two must never use the folder
    const { signal } = this.#closing
    signal.throwIfAborted()
    const postgres = await EmbeddedPostgres.start(this.#folder, { ...(this.#claimed as ClaimedFolder), isNew }, signal)
    this.#ended = postgres.ended
    return postgres
  }

  async #restart(): Promise<EmbeddedPostgres | FolderRefused> {
    if (this.#refusal && performance.now() < this.#refusal.until) return this.#refusal.error
    try {
      const postgres = await this.#run(false)
      if (this.#startup) await postgres.send(this.#startup)
      await postgres.send(statements(this.#session))
      this.#postgres = postgres
      this.#report.info('Postgres is running again.')
      this.onRestart()
      return postgres
    } catch (error) {
      if (!(error instanceof FolderRefused)) throw error
      this.#refusal = { error, until: performance.now() + pause }
      return error
    }
  }
}
