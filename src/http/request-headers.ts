import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, onRequestHookHandler } from 'fastify'
import { readIdempotencyKey } from '../contract/idempotency-key.ts'
import { readIfMatch, readIfNoneMatch } from '../contract/preconditions.ts'

/** Each throws where the header is there and malformed. */
const readers = new Map<string, typeof readIfMatch | typeof readIdempotencyKey>([
  ['If-Match', readIfMatch],
  ['If-None-Match', readIfNoneMatch],
  ['Idempotency-Key', readIdempotencyKey],
])

/** Rejects malformed headers, before the body is read, on the routes that declare them. */
export function rejectMalformedHeaders(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    const { properties = {} } = (route.schema?.headers ?? {}) as { properties?: object }
    const read = Object.keys(properties).flatMap((name) => readers.get(name) ?? [])
    if (read.length === 0) return
    const readAll: onRequestHookHandler = ({ headers }, _reply, done) => {
      for (const header of read) header(headers)
      done()
    }
    route.onRequest = [[route.onRequest ?? []].flat(), readAll].flat()
  })
}

/**
 * How often a request has a header, of which Node keeps only the first. The raw headers have them all; names and values
 * alternate.
 */
export function timesSent(name: string, { rawHeaders }: IncomingMessage): number {
  let found = 0
  for (let i = 0; i < rawHeaders.length; i += 2)
    if (rawHeaders[i]?.length === name.length && rawHeaders[i]?.toLowerCase() === name) found += 1
  return found
}
