import {
  backoff,
  type CallOptions,
  type Connection,
  either,
  lost,
  type Query,
  sleep,
  timeIsUp,
  waitBefore,
} from './connection.ts'
import type { components } from './contract.ts'
import { NetworkError } from './problem.ts'

export type HousingChange = components['schemas']['HousingChange']
type ChangePage = components['schemas']['HousingChangePage']

export interface ChangesOptions extends CallOptions {
  /** Called with `true` when the feed is connected, and with `false` when the connection is lost. */
  onConnection?: ((isConnected: boolean) => void) | undefined
}

const path = '/housing/changes'

/**
 * How long nothing may come before a stream counts as lost, in milliseconds: the API sends something every 15 s. Its
 * beginning must come within the timeout of a call.
 */
const longestSilence = 40_000

/** How long one answer of the long poll waits for a change, in seconds. */
const wait = 25

/** One step through the feed: a change, or how far the feed has been searched. Without either, it is only connected. */
interface Step {
  position?: number
  change?: HousingChange
}

/**
 * The changes of houses, as they happen: `for await (const change of changes)`. The loop goes on until you leave it
 * or abort the signal. It connects again whenever the connection is lost. It fails if the first connection fails, as
 * other calls do. Where no stream of events gets through, it asks for pages instead.
 */
export class Changes implements AsyncIterable<HousingChange> {
  #position: number
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
    this.#position = after
    this.#filters = filters
    this.#options = options
  }

  /**
   * The position of the last change that the loop has finished. Another loop, or a feed after this position, goes on
   * there.
   */
  get position(): number {
    return this.#position
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HousingChange, undefined, undefined> {
    const { signal, onConnection } = this.#options
    let wasConnected = false
    let isConnected = false
    const connected = (now: boolean) => {
      wasConnected ||= now
      if (isConnected !== now) onConnection?.(now)
      isConnected = now
    }
    for (let failures = 0; ; ) {
      let hasBegun = false
      try {
        for await (const { position, change } of this.#polls ? this.#poll() : this.#stream()) {
          connected(true)
          if (position === undefined) continue
          hasBegun = true
          failures = 0
          if (change) yield change
          this.#position = position
        }
        await sleep(backoff(failures++), signal)
      } catch (error) {
        if (signal?.aborted) throw signal.reason
        const pause = waitBefore(error, failures)
        if (pause === undefined || (!wasConnected && failures >= this.#connection.retries)) throw error
        this.#polls = !this.#polls && !hasBegun && isLate(error) // something on the way may hold events back
        connected(false)
        failures++
        await sleep(pause, signal)
      }
    }
  }

  /** The steps as events, until the stream ends. */
  async *#stream(): AsyncGenerator<Step, undefined, undefined> {
    const timeout = Math.min(this.#options.timeout ?? this.#connection.timeout, longestSilence)
    const over = new AbortController()
    try {
      const response = await this.#connection.stream(path, {
        query: { ...this.#filters, after: this.#position },
        headers: { accept: 'text/event-stream' },
        signal: either(this.#options.signal, over.signal),
        timeout,
        retries: 0,
      })
      if (!/^text\/event-stream\b/.test(response.headers.get('content-type') ?? '') || !response.body) {
        this.#polls = true
        return
      }
      yield {}
      const reader = response.body.getReader()
      const decoder = new TextDecoder()
      for (let text = '', patience = timeout; ; patience = longestSilence) {
        const { done, value } = await within(patience, reader.read(), response.url)
        if (done) return
        text += decoder.decode(value, { stream: true })
        const events = text.split('\n\n')
        text = events.pop() as string
        for (const event of events) yield* this.#stepOf(event)
      }
    } finally {
      over.abort()
    }
  }

  /** The step that an event contains, if any. A comment (a heartbeat) shows that the stream is alive. */
  *#stepOf(event: string): Generator<Step, undefined, undefined> {
    const {
      event: name,
      data,
      '': comment,
    } = Object.fromEntries(event.split('\n').map((line) => line.split(/: ?(.*)/s)))
    if (name === 'change') {
      const change: HousingChange = JSON.parse(data)
      yield { position: change.position, change }
    } else if (name === 'position') yield { position: Number(data) }
    else if (comment !== undefined) yield { position: this.#position }
  }

  /** The steps as pages; each answer waits for a change. */
  async *#poll(): AsyncGenerator<Step, undefined, undefined> {
    const { signal, timeout = this.#connection.timeout } = this.#options
    for (;;) {
      const { items, next } = await this.#connection.json<ChangePage>(path, {
        query: { ...this.#filters, after: this.#position, limit: 1000, wait },
        signal,
        timeout: timeout + wait * 1000,
        retries: 0,
      })
      for (const change of items) yield { position: change.position, change }
      yield { position: next }
    }
  }
}

const isLate = (error: unknown) => error instanceof NetworkError && (error.cause as Error).name === 'TimeoutError'

/** Rejects unless the promise is settled in time. */
async function within<T>(milliseconds: number, promise: Promise<T>, url: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timeIsUp(milliseconds)), milliseconds)
  })
  try {
    return await Promise.race([promise, late])
  } catch (error) {
    throw lost(url, error)
  } finally {
    clearTimeout(timer)
  }
}
