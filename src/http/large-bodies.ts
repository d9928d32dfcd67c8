import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../contract/problems.ts'
import { bodyLimit } from './limits.ts'
import { Turns } from './places.ts'
import { goneAway } from './transfers.ts'

const tooMany = () =>
  new Problem('unavailable', 'Too many large bodies are in progress. Try again soon, or send less at once.', {
    headers: { 'retry-after': '1' },
  })

/** The most large bodies in progress, from headers to answer, and the most of them that are parsed at a time. */
const [maxAdmitted, maxParsed] = [16, 2]

/** How long a body waits until it is parsed, in milliseconds. */
const longestWait = 10_000

/**
 * Bounds the memory for bodies above the usual limit: a parsed one takes many times its size until it is answered. Two
 * are parsed at a time. Others wait, which takes a second or so for each; after ten seconds the answer is a 503. Beyond
 * sixteen it is one before the body is read.
 */
export class LargeBodies {
  readonly #admitted = new Set<FastifyRequest>()
  readonly #parsed = new Set<FastifyRequest>()
  readonly #turns = new Turns(maxParsed)

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
      route.preValidation = [
        (request, _reply, done) => {
          if (request.bytes === null) this.#leave(request) // a file, which is not parsed as a whole
          done()
        },
        ...[route.preValidation ?? []].flat(),
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

  /** Waits until the body may be parsed; throws a problem if its turn does not come. One that is not large need not wait. */
  async waitToParse(request: FastifyRequest): Promise<void> {
    if (!this.#admitted.has(request)) return
    if (!(await this.#turns.enter(performance.now() + longestWait))) throw tooMany()
    this.#parsed.add(request)
    if (request.raw.socket.destroyed) throw goneAway()
  }

  #admit(request: FastifyRequest): void {
    const length = request.headers['content-length']
    if (length !== undefined && Number(length) <= bodyLimit) return // without a length it may be large
    if (this.#admitted.size >= maxAdmitted) throw tooMany()
    this.#admitted.add(request)
  }

  /** Runs at the end of every request, even if its client has gone away. */
  #leave(request: FastifyRequest): void {
    this.#admitted.delete(request)
    if (this.#parsed.delete(request)) this.#turns.leave()
  }
}
