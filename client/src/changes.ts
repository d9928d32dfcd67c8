import {
  backoff,
  type CallOptions,
  type Connection,
  follow,
  lost,
  type Query,
  sleep,
  timeIsUp,
  waitBefore,
} from './connection.ts'
import type { components } from './contract.ts'
import { NetworkError, Problem } from './problem.ts'

export type HousingChange = components['schemas']['HousingChange']
type ChangePage = components['schemas']['HousingChangePage']

export interface ChangesOptions extends CallOptions {
  /** Called with `true` when the feed is connected, and with `false` when it has lost the connection and tries again. */
  onConnection?: ((isConnected: boolean) => void) | undefined
}

const path = '/housing/changes'

/** How long nothing may come before a stream counts as lost, in milliseconds. The API sends something every 15 s. */
const longestSilence = 40_000

/** How long one answer of the long poll waits for a change, in seconds. */
const wait = 25

/** One step through the feed: a change, or how far the feed has been searched; without either, it is just connected. */
interface Step {
  position?: number
  change?: HousingChange
}

/**
 * The changes of houses, as they happen: `for await (const change of changes)`. The loop ends when it is left, or when
 * the signal is aborted. A lost connection is made again, as often as needed, once there has been one. Where no stream of
 * events gets through, the feed asks again and again instead.
 */
export class Changes implements AsyncIterable<HousingChange> {
  /** The position of the last change that the loop has dealt with. A new feed `after` it, or a new loop, goes on there. */
  position: number
  readonly #connection: Connection
  readonly #filters: Query
  readonly #options: ChangesOptions
  #polls = false

  constructor(
    connection: Connection,
    { after = 0, ...filters }: Query & { after?: number | undefined },
    options: ChangesOptions,
  ) {
    this.#connection = connection
    this.position = after
    this.#filters = filters
    this.#options = options
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HousingChange, void, undefined> {
    const { signal, onConnection } = this.#options
    let wasConnected = false
    let isConnected = false
    const connected = (now: boolean) => {
      wasConnected ||= now
      if (isConnected !== now) onConnection?.(now)
      isConnected = now
    }
    for (let failures = 0; ; ) {
      try {
        for await (const { position, change } of this.#polls ? this.#poll() : this.#stream()) {
          connected(true)
          if (position === undefined) continue
          failures = 0
          if (change) yield change
          this.position = position
        }
        await sleep(backoff(failures++), signal)
      } catch (error) {
        const pause = waitBefore(error, failures)
        if (signal?.aborted) throw signal.reason
        if (pause === undefined || (!wasConnected && failures >= this.#connection.retries)) throw error
        connected(false)
        failures++
        await sleep(pause, signal)
      }
    }
  }

  /** The steps as events, until the stream ends. */
  async *#stream(): AsyncGenerator<Step, void, undefined> {
    const { timeout = this.#connection.timeout } = this.#options
    const { controller, release } = follow(this.#options.signal)
    try {
      const response = await this.#connection.stream(path, {
        query: { ...this.#filters, after: this.position },
        headers: { accept: 'text/event-stream' },
        signal: controller.signal,
        timeout: Math.min(timeout, 10_000),
        retries: 0,
      })
      if (!/^text\/event-stream\b/.test(response.headers.get('content-type') ?? '') || !response.body) {
        this.#polls = true
        return
      }
      yield {}
      const reader = response.body.getReader()
      const decoder = new TextDecoder()
      for (let text = ''; ; ) {
        const { done, value } = await within(longestSilence, reader.read(), response.url)
        if (done) return
        text += decoder.decode(value, { stream: true })
        const events = text.split('\n\n')
        text = events.pop() as string
        for (const event of events) yield* this.#stepOf(event)
      }
    } catch (error) {
      if (error instanceof NetworkError && (error.cause as Error).name === 'TimeoutError') this.#polls = true
      throw error
    } finally {
      controller.abort()
      release()
    }
  }

  /** What an event says, if it is a step. A comment says that the stream lasts. */
  *#stepOf(event: string): Generator<Step, void, undefined> {
    const {
      event: name,
      data,
      '': comment,
    } = Object.fromEntries(event.split('\n').map((line) => line.split(/: ?(.*)/s)))
    if (name === 'change') {
      const change: HousingChange = JSON.parse(data)
      yield { position: change.position, change }
    } else if (name === 'position') yield { position: Number(data) }
    else if (comment !== undefined) yield { position: this.position }
  }

  /** The steps by asking for the next page again and again. */
  async *#poll(): AsyncGenerator<Step, void, undefined> {
    const { signal, timeout = this.#connection.timeout } = this.#options
    for (;;) {
      const { items, next } = await this.#connection.json<ChangePage>(path, {
        query: { ...this.#filters, after: this.position, limit: 1000, wait },
        signal,
        timeout: timeout + wait * 1000,
        retries: 0,
      })
      for (const change of items) yield { position: change.position, change }
      yield { position: next }
    }
  }
}

/** Rejects unless the promise is settled in time. */
async function within<T>(milliseconds: number, promise: Promise<T>, url: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timeIsUp(milliseconds)), milliseconds)
  })
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    throw error instanceof Problem ? error : lost(url, error)
  } finally {
    clearTimeout(timer)
  }
}
