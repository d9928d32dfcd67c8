import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../contract/problems.ts'
import { bodyLimit } from './limits.ts'

/** The most large bodies in progress, from headers to answer, and the most of them that are parsed at a time. */
const [maxAdmitted, maxParsed] = [16, 2]

interface Waiting {
  request: FastifyRequest
  begin: () => void
}

/**
 * Bounds the memory for bodies above the usual limit: a parsed one takes many times its size until it is answered. Two
 * are parsed at a time. Others wait, which takes a second or so for each. Beyond sixteen, the answer is a 503, before
 * the body is read.
 */
export class LargeBodies {
  readonly #admitted = new Set<FastifyRequest>()
  readonly #parsed = new Set<FastifyRequest>()
  readonly #waiting: Waiting[] = []

  /** Counts the large bodies of the routes that accept them. */
  countIn(app: FastifyInstance): void {
    app.addHook('onRoute', (route) => {
      if ((route.bodyLimit ?? 0) <= bodyLimit) return
      route.onRequest = [
        ...[route.onRequest ?? []].flat(),
        (request, _reply, done) => {
          this.#admit(request)
          done()
        },
      ]
      route.onSend = [
        ...[route.onSend ?? []].flat(),
        (request, _reply, _payload, done) => {
          this.#leave(request)
          done()
        },
      ]
    })
  }

  /** Waits until the body may be parsed. One that is not large need not wait. */
  async waitToParse(request: FastifyRequest): Promise<void> {
    if (!this.#admitted.has(request)) return
    if (this.#parsed.size < maxParsed) this.#parsed.add(request)
    else await new Promise<void>((begin) => this.#waiting.push({ request, begin }))
  }

  #admit(request: FastifyRequest): void {
    const length = request.headers['content-length']
    if (length !== undefined && Number(length) <= bodyLimit) return // without a length it may be large
    if (this.#admitted.size >= maxAdmitted)
      throw new Problem('unavailable', 'Too many large bodies are in progress. Try again soon, or send less at once.', {
        headers: { 'retry-after': '1' },
      })
    this.#admitted.add(request)
  }

  /** Runs at the end of every request, even if its client has gone away. */
  #leave(request: FastifyRequest): void {
    this.#admitted.delete(request)
    if (!this.#parsed.delete(request)) return
    const next = this.#waiting.shift()
    if (!next) return
    this.#parsed.add(next.request)
    next.begin()
  }
}
