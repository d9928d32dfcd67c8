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

/** How long after a failed start the next one is tried, in milliseconds. */
const pause = 1000

/**
 * Postgres over a folder that this process has locked. Postgres ends itself if it cannot go on safely, such as when a
 * full disk has no space for its log. It is then started again, and recovers as after a crash.
 */
export class Engine {
  readonly #folder: string
  readonly #session: string
  readonly #report: Report
  #claimed: ClaimedFolder | undefined
  #postgres: EmbeddedPostgres | undefined
  #startup: Uint8Array | undefined
  #refusal: { error: FolderRefused; until: number } | undefined
  /** When a statement was last answered, a time of `performance.now()`. */
  answered = Number.NEGATIVE_INFINITY
  /** Runs after Postgres was started again, because its session has lost its LISTENs. */
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
      if (this.#claimed.isNew) this.#report.info(`Making the database in ${this.#folder}; this takes a few seconds.`)
      this.#claimed.prepare()
      this.#postgres = await EmbeddedPostgres.start(this.#folder, this.#claimed)
      if (this.#claimed.isNew) this.#claimed.markReady()
    } catch (error) {
      await this.close()
      throw fileSystemRefusal(this.#folder, error) ?? error
    }
  }

  /** Sends messages of Postgres' protocol. Where Postgres ends itself, or cannot be started, the answer says so. */
  async send(messages: Uint8Array): Promise<Buffer> {
    if (messages[0] === startup) this.#startup = messages
    const postgres = this.#postgres ?? (await this.#restart())
    if (postgres instanceof FolderRefused)
      return Buffer.concat([fatalError(postgres.sqlState, postgres.message), readyForQuery])
    const answer = await postgres.send(messages)
    if (postgres.fatalMessage === undefined) {
      this.answered = performance.now()
      return answer
    }
    this.#postgres = undefined
    this.answered = Number.NEGATIVE_INFINITY
    this.#report.warn(`Postgres ended itself and is started again: ${postgres.fatalMessage}.`)
    return Buffer.concat([
      answer,
      hasError(answer) ? Buffer.of() : fatalError('57P01', postgres.fatalMessage),
      readyForQuery,
    ])
  }

  async close(): Promise<void> {
    const [postgres, claimed] = [this.#postgres, this.#claimed]
    this.#postgres = undefined
    this.#claimed = undefined
    await postgres?.close().finally(() => claimed?.release())
    if (!postgres) claimed?.release()
  }

  async #restart(): Promise<EmbeddedPostgres | FolderRefused> {
    if (this.#refusal && performance.now() < this.#refusal.until) return this.#refusal.error
    try {
      const postgres = await EmbeddedPostgres.start(this.#folder, { ...(this.#claimed as ClaimedFolder), isNew: false })
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
