import { reason } from '../../database/errors.ts'
import type { Database } from '../../database/tables.ts'
import type { Log } from '../../log.ts'
import { gauge } from '../../metrics.ts'
import { apart } from '../../tracing.ts'
import { maxRecent, RecentChanges } from './memory.ts'
import type { Numbering } from './numbering.ts'
import { findChanges, lastPosition } from './queries.ts'

/** How often the database is asked while somebody listens, in milliseconds: at most, and at least. */
const [soonest, latest] = [30, 250]

/** After how long without listeners nothing is asked any more, in milliseconds. */
const linger = 2000

const lag = gauge(
  'sample_api_feed_lag_seconds',
  'For how long the changes could not be read, while somebody follows them.',
)

/** Reads new changes into memory for all who listen, and only while somebody does. */
export class Reader {
  readonly recent = new RecentChanges()
  readonly #db: Database
  readonly #numbering: Numbering
  readonly #log: Log
  readonly #listeners = new Set<() => void>()
  /** The reading, while it goes on. */
  #reading: Promise<void> | undefined
  #isClosed = false
  /** When everything that was there was last known, a time of `performance.now()`. */
  #upToDate = 0
  /** Whether this process has made a change since the last look. */
  #isDue = false
  #hurry: () => void = () => {}
  readonly #stopMeasuring: () => void

  constructor(db: Database, numbering: Numbering, log: Log) {
    this.#db = db
    this.#numbering = numbering
    this.#log = log
    this.#stopMeasuring = lag.from(() => [
      // Between two looks it is not behind.
      [this.#reading !== undefined ? Math.max(0, performance.now() - this.#upToDate - latest) / 1000 : 0],
    ])
  }

  /** Resolves when there is something new, after so many milliseconds, or when `signal` is aborted. */
  arrival(wait: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.#listeners.delete(done)
        resolve()
      }
      const timer = setTimeout(done, wait)
      signal.addEventListener('abort', done)
      this.#listeners.add(done)
      this.#reading ??= apart(() => this.#read())
    })
  }

  /** Looks for changes soon, because this process has made one. */
  wake(): void {
    if (this.#isDue) return
    this.#isDue = true
    this.#hurry()
  }

  /** Asks the database nothing more. Resolves once it has answered the last question. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stopMeasuring()
    this.#hurry()
    await this.#reading
  }

  async #read(): Promise<void> {
    let lastListener = performance.now()
    this.#upToDate = lastListener
    while (!this.#isClosed && (this.#listeners.size > 0 || performance.now() < lastListener + linger)) {
      const begun = performance.now()
      const isMore = await this.#advance().catch((error) => {
        this.#log.throttled('error', 'feed', {}, `Changes cannot be read for now: ${reason(error)}`)
        return undefined
      })
      if (this.#listeners.size > 0) lastListener = performance.now()
      if (isMore === false) this.#upToDate = begun
      if (!isMore) await this.#pause(begun)
    }
    this.#reading = undefined
    this.recent.forget()
  }

  /** Reads what is new; answers whether there may be more. */
  async #advance(): Promise<boolean> {
    await this.#numbering.run(this.#db)
    const { until } = this.recent
    const page = until === undefined ? undefined : await findChanges(this.#db, { after: until, limit: maxRecent })
    if (page?.isKnown) this.recent.add(page)
    else this.recent.begin(await lastPosition(this.#db)) // at first, or if the feed was replaced by another
    if (this.recent.until === until) return false
    for (const notify of [...this.#listeners]) notify()
    return page?.entries.length === maxRecent
  }

  /** Waits until the database is to be asked again. */
  async #pause(begun: number): Promise<void> {
    await new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined
      this.#hurry = () => {
        clearTimeout(timer)
        timer = setTimeout(resolve, this.#isClosed ? 0 : begun + (this.#isDue ? soonest : latest) - performance.now())
      }
      this.#hurry()
    })
    this.#hurry = () => {}
    this.#isDue = false
  }
}
