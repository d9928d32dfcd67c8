import { isIPv4, isIPv6 } from 'node:net'

/** What is left after a request, for the headers of its answer. Times are in seconds. */
export interface Allowance {
  isAllowed: boolean
  remaining: number
  /** Until the next request is allowed. */
  wait: number
  /** Until all of the quota is there again. */
  reset: number
}

/** The most names that have a bucket of their own; while there are more, the others share one. */
const maxBuckets = 100_000

/**
 * Token buckets by name. Each holds `quota` requests, and fills up in `window` seconds. A new bucket is full, so full ones
 * are forgotten. The others are kept: nobody can push out a bucket by using many names.
 */
export class Buckets {
  readonly quota: number
  readonly window: number
  readonly #perRequest: number
  /** When each bucket will be full again, in milliseconds, the least recently used first. */
  readonly #fullAt = new Map<string, number>()

  constructor(quota: number, window: number) {
    this.quota = quota
    this.window = window
    this.#perRequest = (window * 1000) / quota
  }

  /** Takes a request from the bucket, unless it is empty. */
  take(name: string, now = performance.now()): Allowance {
    const full = this.#full(name, now)
    const after = full + this.#perRequest
    const excess = after - now - this.window * 1000
    const isAllowed = excess <= 1e-6 // repeated additions are not exact
    if (isAllowed) this.#keep(name, after, now)
    return {
      isAllowed,
      remaining: isAllowed ? Math.floor(-excess / this.#perRequest + 1e-6) : 0,
      wait: Math.max(0, excess / 1000),
      reset: ((isAllowed ? after : full) - now) / 1000,
    }
  }

  /** Takes `count` requests even if fewer are left; the next ones then have to wait longer. */
  charge(name: string, count: number, now = performance.now()): void {
    this.#keep(name, this.#full(name, now) + count * this.#perRequest, now)
  }

  #full(name: string, now: number): number {
    return Math.max(now, this.#fullAt.get(this.#own(name)) ?? 0)
  }

  #keep(name: string, fullAt: number, now: number): void {
    const own = this.#own(name)
    this.#fullAt.delete(own)
    this.#fullAt.set(own, fullAt)
    for (const [name, fullAt] of this.#fullAt) {
      if (fullAt > now) break
      this.#fullAt.delete(name)
    }
  }

  #own(name: string): string {
    return this.#fullAt.size < maxBuckets || this.#fullAt.has(name) ? name : ''
  }
}

/**
 * What shares a bucket with this address: an IPv4 address is alone, an IPv6 one with all of its /64. Some proxies add a
 * port, which each connection changes. All texts that are not addresses share one bucket.
 */
export function networkOf(text: string): string {
  const [, bracketed, withPort] = /^\[(.+)\](?::\d+)?$|^([\d.]+):\d+$/.exec(text) ?? []
  const address = (bracketed ?? withPort ?? text).replace(/^::ffff:(?=[\d.]+$)/i, '')
  if (isIPv4(address)) return address
  if (!isIPv6(address)) return 'unknown'
  const [head = '', tail] = address.replace(/%.*/, '').split('::')
  const left = groupsOf(head)
  const right = groupsOf(tail ?? '')
  const zeros = Array(tail === undefined ? 0 : 8 - left.length - right.length).fill('0')
  const network = [...left, ...zeros, ...right].slice(0, 4)
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

const groupsOf = (part: string) => part.split(':').filter((group) => group !== '')
