import type { FastifyInstance } from 'fastify'
import type { OpenDatabase } from '../../database/database.ts'
import { Overloaded } from '../../database/errors.ts'
import type { Database } from '../../database/tables.ts'
import { overOneConnection } from '../../database/transaction.ts'
import { Turns } from '../../http/places.ts'
import type { Log } from '../../log.ts'
import { gauge } from '../../metrics.ts'
import { Numbering } from './numbering.ts'
import { type FeedQuery, findChanges, lastPosition, type Page } from './queries.ts'
import { Reader } from './reader.ts'

const listening = gauge('sample_api_feed_listeners', 'Clients that wait for changes or follow them.')

/** The feed of changes. However many listen, one reader asks the database for all of them. */
export class Feed {
  readonly #db: Database
  readonly #patience: number
  readonly #numbering = new Numbering()
  readonly #reader: Reader
  /** Beside the reader, one of those who listen reads at a time, and two of all others: a connection remains for the history. */
  readonly #listening = new Turns(1)
  readonly #asking = new Turns(2)
  #waiting = 0
  readonly #stopMeasuring: () => void

  constructor({ beside, patience }: Pick<OpenDatabase, 'beside' | 'patience'>, log: Log) {
    this.#db = beside
    this.#patience = patience
    this.#reader = new Reader(beside, this.#numbering, log)
    this.#stopMeasuring = listening.from(() => [[this.#waiting]])
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
    const { recent } = this.#reader
    const look = () => recent.find(query) ?? this.#find(query)
    const otherwise = () => ({ entries: [], next: query.after, isKnown: true })
    return recent.find(query) ?? this.#listening.run(look, { until, signal, otherwise })
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
        await this.#numbering.run(db)
        return lastPosition(db)
      }),
    )
  }

  /** Looks for changes soon, because this process has made one. */
  wake(): void {
    this.#reader.wake()
  }

  /** Ends the reader. Resolves once it has had its last answer. */
  close(): Promise<void> {
    this.#stopMeasuring()
    return this.#reader.close()
  }

  /** For one who does not listen. Throws {@link Overloaded} if others have the turn for too long. */
  #ask<T>(read: () => Promise<T>): Promise<T> {
    const otherwise = () => {
      throw new Overloaded()
    }
    return this.#asking.run(read, { until: this.#soon(), otherwise })
  }

  #soon(): number {
    return performance.now() + this.#patience
  }

  #find(query: FeedQuery): Promise<Page> {
    return overOneConnection(this.#db, async (db) => {
      const page = await findChanges(db, query)
      if (page.entries.length === query.limit || !page.isKnown) return page
      await this.#numbering.run(db) // twice would do no harm
      return findChanges(db, query)
    })
  }

  async #next(query: FeedQuery, end: number, signal: AbortSignal): Promise<Page> {
    const { recent } = this.#reader
    for (let after = query.after; ; ) {
      const page = await this.recent({ ...query, after }, end, signal)
      const left = end - performance.now()
      if (page.entries.length > 0 || !page.isKnown || left <= 0 || signal.aborted) return page
      const isNewer = recent.until !== undefined && recent.until > page.next // found meanwhile
      if (page.next === after && !isNewer) await this.#reader.arrival(left, signal)
      after = page.next
    }
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
