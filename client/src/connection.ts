import { isJson, NetworkError, Problem, problemOf } from './problem.ts'

/** Where the API is, and how to reach it. */
export interface ConnectionOptions {
  /** The URL of the API, without `/api/v2`. In a browser the default is the origin of the page. */
  url?: string | URL | undefined
  /** An API key or a token, or a function that returns it for each request. */
  key?: string | (() => string | undefined) | undefined
  /** Another `fetch` than the global one. */
  fetch?: typeof globalThis.fetch | undefined
  /** How long one attempt may take, in milliseconds. */
  timeout?: number | undefined
  /** How often a failed request is sent again. */
  retries?: number | undefined
}

/** What every call can be given. */
export interface CallOptions {
  /** Aborts the call, which then rejects with the reason of the signal. */
  signal?: AbortSignal | undefined
  /** How long one attempt may take, in milliseconds, in place of the client's own timeout. */
  timeout?: number | undefined
}

/** What every POST can be given. */
export interface PostOptions extends CallOptions {
  /**
   * The Idempotency-Key: 1 to 255 visible ASCII characters. By default each call gets a new one, which its retries
   * keep. With a key of its own, a program can repeat a call whose outcome it does not know.
   */
  key?: string | undefined
}

export type Query = Record<string, string | number | boolean | undefined>

export interface Call extends CallOptions {
  method?: string
  query?: Query
  headers?: Record<string, string | undefined>
  body?: string | Blob | ReadableStream<Uint8Array>
  retries?: number
}

/** Where a page comes from, in a browser. */
const origin = (globalThis as { location?: { origin: string } }).location?.origin

/** The longest Retry-After that the client waits for, in seconds. With a longer one, the call fails at once. */
const longestWait = 30

/** Sends requests to the API, and sends them again where that is safe and can help. */
export class Connection {
  readonly #url: string
  readonly #key: () => string | undefined
  readonly #fetch: typeof globalThis.fetch
  readonly timeout: number
  readonly retries: number

  constructor({ url = origin, key, fetch, timeout = 30_000, retries = 4 }: ConnectionOptions) {
    if (!url) throw new TypeError('The client needs the url of the API.')
    this.#url = String(url).replace(/\/+$/, '')
    this.#key = typeof key === 'function' ? key : () => key
    this.#fetch = fetch ?? ((...request) => globalThis.fetch(...request))
    this.timeout = timeout
    this.retries = retries
  }

  /** Sends a request, and reads the whole answer. */
  json<T>(path: string, call?: Call): Promise<T> {
    return this.#send(path, call, (response) => {
      if (response.status === 204) return undefined as T
      if (!isJson(response)) throw new Problem(response)
      return response.json() as Promise<T>
    })
  }

  /** Sends a request, and returns when the answer begins. The timeout ends there; the signal also aborts the body. */
  stream(path: string, call?: Call): Promise<Response> {
    return this.#send(path, call, (response) => response)
  }

  async #send<T>(path: string, call: Call = {}, read: (response: Response) => T | Promise<T>): Promise<T> {
    const { signal, retries = this.retries } = call
    let uncertain = false
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#attempt(path, call, read)
      } catch (error) {
        if (error instanceof Problem) error.uncertain = uncertain
        const wait = waitBefore(error, attempt)
        if (attempt >= retries || wait === undefined) throw error
        uncertain ||= hasUnknownOutcome(error)
        await sleep(wait, signal)
      }
    }
  }

  async #attempt<T>(
    path: string,
    { method = 'GET', query = {}, headers = {}, body, signal, timeout = this.timeout }: Call,
    read: (response: Response) => T | Promise<T>,
  ): Promise<T> {
    signal?.throwIfAborted()
    const key = this.#key()
    const sent = new Headers(defined({ accept: 'application/json', authorization: key && `Bearer ${key}`, ...headers }))
    const parameters = new URLSearchParams(defined(query)).toString()
    const url = `${this.#url}/api/v2${path}${parameters && `?${parameters}`}`
    const late = new AbortController()
    const timer = Number.isFinite(timeout) && setTimeout(() => late.abort(timeIsUp(timeout)), timeout)
    try {
      const response = await this.#fetch(url, {
        method,
        headers: sent,
        signal: either(signal, late.signal),
        ...(body !== undefined && { body, duplex: 'half' }),
      } as RequestInit)
      if (!response.ok) throw await problemOf(response)
      return await read(response)
    } catch (error) {
      if (signal?.aborted) throw signal.reason
      throw error instanceof Problem ? error : lost(url, error)
    } finally {
      if (timer) clearTimeout(timer)
    }
  }
}

/** How long to wait before the request is sent again, in milliseconds; undefined if that cannot help. */
export function waitBefore(error: unknown, attempt: number): number | undefined {
  const jitter = backoff(attempt)
  if (error instanceof NetworkError) return jitter
  if (!(error instanceof Problem)) return undefined
  const { status, code, retryAfter = 0 } = error
  const canPass = [408, 429, 502, 503, 504].includes(status) || code === 'idempotency-key-in-use'
  return canPass && retryAfter <= longestWait ? retryAfter * 1000 + jitter : undefined
}

/** A random time in milliseconds, longer after each attempt, so that clients do not all come back at once. */
export const backoff = (attempt: number): number => Math.random() * Math.min(10_000, 300 * 2 ** attempt)

/** Whether the request may have taken effect. All other problems that are retried say that nothing was changed. */
const hasUnknownOutcome = (error: unknown) =>
  !(error instanceof Problem) || error.code === 'outcome-unknown' || error.code === 'unexpected-answer'

export function lost(url: string, cause: unknown): NetworkError {
  const { message, cause: deeper } = cause as Error & { cause?: { message?: string; code?: string } }
  const why = [message, deeper?.message || deeper?.code].filter(Boolean).join(': ')
  return new NetworkError(`No answer from ${url}: ${why}`, { cause })
}

export const timeIsUp = (timeout: number) => new DOMException(`nothing came within ${timeout} ms`, 'TimeoutError')

/** A signal that is aborted with either of these. */
export const either = (one: AbortSignal | undefined, other: AbortSignal): AbortSignal =>
  one ? AbortSignal.any([one, other]) : other

/** Waits; rejects with the reason of the signal. */
export async function sleep(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  // Many calls may wait with one signal, and Node warns when a signal has more than ten listeners.
  const own = AbortSignal.any(signal ? [signal] : [])
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    own.onabort = () => {
      clearTimeout(timer)
      resolve()
    }
  })
  own.onabort = null
  signal?.throwIfAborted()
}

/** The members that have a value, as text. */
const defined = (values: Query): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]])),
  )

/** A new Idempotency-Key. (Pages that are served without TLS do not have crypto.randomUUID.) */
export const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')

/** A value as the body of a call, if there is one. */
export const jsonBody = (value: unknown, headers: NonNullable<Call['headers']>, type = 'application/json'): Call =>
  value === undefined ? { headers } : { body: JSON.stringify(value), headers: { ...headers, 'content-type': type } }
