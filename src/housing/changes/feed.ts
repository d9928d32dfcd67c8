import type { FastifyInstance } from 'fastify'
import type { OpenDatabase } from '../../database/database.ts'
import { Overloaded, reason } from '../../database/errors.ts'
import type { Database } from '../../database/tables.ts'
import { overOneConnection } from '../../database/transaction.ts'
import { Turns } from '../../http/places.ts'
import type { Log } from '../../log.ts'
import { gauge } from '../../metrics.ts'
import { apart } from '../../tracing.ts'
import { type Entry, findChanges, lastPosition, nextAfter, numberChanges, type Page, passes } from './queries.ts'
import type { ChangeFilters } from './schemas.ts'

/** How many changes are kept in memory while somebody listens. */
const maxRecent = 1000

/** How many pages of it are kept, for those who ask for the same. */
const maxPages = 20

/** How many changes get positions at once: usually, and at least. */
const [mostAtATime, fewestAtATime] = [50_000, 1000]

/** How often the database is asked while somebody listens, in milliseconds: at most, and at least. */
const [soonest, latest] = [30, 250]

/** After how long without listeners nothing is asked any more, in milliseconds. */
const linger = 2000

const listening = gauge('sample_api_feed_listeners', 'Clients that wait for changes or follow them.')
const lag = gauge(
  'sample_api_feed_lag_seconds',
  'For how long the changes could not be read, while somebody follows them.',
)

export interface FeedQuery {
  /** A position. */
  after: number
  limit: number
  filters: ChangeFilters
}

/** The feed of changes. However many listen, one reader asks the database for all of them, and only while somebody does. */
export class Feed {
  readonly #db: Database
  readonly #patience: number
  readonly #log: Log
  /** The last changes; all between two positions, if the reader runs. */
  #recent: Entry[] = []
  #range: { after: number; until: number } | undefined
  /** Answers since the last look: most listeners ask for the same. */
  readonly #pages = new Map<string, Page>()
  /** Beside the reader, one of those who listen reads at a time, and two of all others: a connection remains for the history. */
  readonly #listening = new Turns(1)
  readonly #asking = new Turns(2)
  readonly #listeners = new Set<() => void>()
  /** How many changes get positions at once. */
  #atATime = mostAtATime
  /** The reader, while it runs. */
  #reading: Promise<void> | undefined
  #isClosed = false
  #waiting = 0
  /** When the reader last knew everything that was there, a time of `performance.now()`. */
  #upToDate = 0
  readonly #stopMeasuring: (() => void)[]
  /** Whether this process has made a change since the last look. */
  #isDue = false
  #hurry: () => void = () => {}

  constructor({ beside, patience }: Pick<OpenDatabase, 'beside' | 'patience'>, log: Log) {
    this.#db = beside
    this.#patience = patience
    this.#log = log
    this.#stopMeasuring = [
      listening.from(() => [[this.#waiting]]),
      // Between two looks it is not behind.
      lag.from(() => [
        [this.#reading !== undefined ? Math.max(0, performance.now() - this.#upToDate - latest) / 1000 : 0],
      ]),
    ]
  }

  /** The changes after a position, or as many of them as the limit allows. What is committed by now is in it. */
  page(query: FeedQuery): Promise<Page> {
    return this.#ask(() => this.#find(query))
  }

  /**
   * The same, or what was there a moment ago: from memory, if somebody listens. It is empty if others have the turn until
   * `until`, a time of `performance.now()`, or once `signal` is aborted.
   */
  async recent(query: FeedQuery, until = this.#soon(), signal?: AbortSignal): Promise<Page> {
    const look = () => this.#fromMemory(query) ?? this.#find(query)
    const found = this.#fromMemory(query) ?? (await inTurn(this.#listening, look, until, signal))
    return found ?? { entries: [], next: query.after, isKnown: true }
  }

  /** The same. While there is none it waits: up to so many milliseconds, or until `signal` is aborted. */
  async next(query: FeedQuery, wait: number, signal: AbortSignal): Promise<Page> {
    this.#waiting += 1
    try {
      return await this.#next(query, performance.now() + wait, signal)
    } finally {
      this.#waiting -= 1
    }
  }

  /** The last position, for a client that knows what was committed until now. */
  position(): Promise<number> {
    return this.#ask(() =>
      overOneConnection(this.#db, async (db) => {
        await this.#number(db)
        return lastPosition(db)
      }),
    )
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
    for (const stop of this.#stopMeasuring) stop()
    this.#hurry()
    await this.#reading
  }

  /** For one who does not listen. Throws {@link Overloaded} if others have the turn for too long. */
  async #ask<T>(read: () => Promise<T>): Promise<T> {
    const found = await inTurn(this.#asking, read, this.#soon())
    if (found === undefined) throw new Overloaded()
    return found
  }

  #soon(): number {
    return performance.now() + this.#patience
  }

  #find(query: FeedQuery): Promise<Page> {
    return overOneConnection(this.#db, async (db) => {
      const page = await findChanges(db, query)
      if (page.entries.length === query.limit || !page.isKnown) return page
      await this.#number(db) // twice would do no harm
      return findChanges(db, query)
    })
  }

  async #next(query: FeedQuery, end: number, signal: AbortSignal): Promise<Page> {
    for (let after = query.after; ; ) {
      const page = await this.recent({ ...query, after }, end, signal)
      const left = end - performance.now()
      if (page.entries.length > 0 || !page.isKnown || left <= 0 || signal.aborted) return page
      const isNewer = this.#range && this.#range.until > page.next // found meanwhile
      if (page.next === after && !isNewer) await this.#arrival(left, signal)
      after = page.next
    }
  }

  #fromMemory(query: FeedQuery): Page | undefined {
    const key = JSON.stringify(query)
    const known = this.#pages.get(key)
    if (known) return known
    const page = this.#search(query)
    if (this.#pages.size === maxPages) this.#pages.clear()
    if (page) this.#pages.set(key, page)
    return page
  }

  #search({ after, limit, filters }: FeedQuery): Page | undefined {
    if (!this.#range || after < this.#range.after || after > this.#range.until) return undefined
    const first = this.#recent.findLastIndex(({ change }) => change.position <= after) + 1
    // Between two positions there may be one that another feed gave: the database knows that this one did not.
    if ((this.#recent[first - 1]?.change.position ?? this.#range.after) !== after) return undefined
    const entries: Entry[] = []
    for (let i = first; i < this.#recent.length && entries.length < limit; i++) {
      const entry = this.#recent[i] as Entry
      if (passes(entry, filters)) entries.push(entry)
    }
    return { entries, next: nextAfter(entries, limit, this.#range.until), isKnown: true }
  }

  /** Resolves when the reader has found something, after so many milliseconds, or when `signal` is aborted. */
  #arrival(wait: number, signal: AbortSignal): Promise<void> {
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
    this.#range = undefined
    this.#recent = []
    this.#pages.clear()
  }

  /** Gives positions to new changes: to fewer at a time after a failure, as it may have taken too long. */
  async #number(db: Database): Promise<void> {
    try {
      await numberChanges(db, this.#atATime)
      this.#atATime = Math.min(mostAtATime, 2 * this.#atATime)
    } catch (error) {
      this.#atATime = Math.max(fewestAtATime, this.#atATime / 5)
      throw error
    }
  }

  /** Reads what is new; answers whether there may be more. */
  async #advance(): Promise<boolean> {
    await this.#number(this.#db)
    const page = this.#range && (await findChanges(this.#db, { after: this.#range.until, limit: maxRecent }))
    if (!this.#range || !page?.isKnown) {
      const last = await lastPosition(this.#db) // at first, or if the feed was replaced by another
      this.#range = { after: last, until: last }
      this.#recent = []
    } else {
      this.#range.until = page.next
      const dropped = [...this.#recent, ...page.entries]
      this.#recent = dropped.splice(-maxRecent)
      this.#range.after = dropped.at(-1)?.change.position ?? this.#range.after
      if (page.entries.length === 0) return false
    }
    this.#pages.clear()
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

/** What `read` answers, once its turn has come; undefined if it has not by then. */
async function inTurn<T>(turns: Turns, read: () => T | Promise<T>, until: number, signal?: AbortSignal) {
  if (!(await turns.enter(until, signal))) return undefined
  try {
    return await read()
  } finally {
    turns.leave()
  }
}

/**
 * Has the feed look soon after each request that may have changed a house, of any version of the API, and ends it with the
 * service. Comes before the routes.
 */
export function wakeAfterWrites(app: FastifyInstance, feed: Feed): void {
  const wake = (_request: unknown, _reply: unknown, done: () => void) => {
    feed.wake()
    done()
  }
  app.addHook('onClose', () => feed.close())
  app.addHook('onRoute', (route) => {
    if (route.method !== 'GET' && route.method !== 'HEAD') route.onResponse = [...[route.onResponse ?? []].flat(), wake]
  })
}
