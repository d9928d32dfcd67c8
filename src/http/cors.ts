import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

const exposed = [
  'ETag',
  'Link',
  'Location',
  'Allow',
  'Retry-After',
  'X-Request-Id',
  'Idempotency-Replayed',
  'Accept-Patch',
  'Accept-Post',
  'Content-Disposition',
  'Import-Report',
  'WWW-Authenticate',
  'RateLimit',
  'RateLimit-Policy',
  'Feed-Position',
].join(', ')

const preflight = {
  'access-control-allow-methods': 'DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT',
  'access-control-max-age': '600',
}

/** Sets the headers by which a page of the request's origin may read the answer; false if it may not. */
export type Grant = (request: FastifyRequest, reply: FastifyReply) => boolean

/**
 * Lets pages of these origins call with credentials; `*` lets every page call, without credentials.
 * (Written here because @fastify/cors rebuilds its constant headers for each request, a tenth of the time of a small
 * one.)
 */
export function grantFor(origins: string[] | '*'): Grant {
  const exposing = { 'access-control-expose-headers': exposed }
  const everyone = origins === '*' ? { ...exposing, 'access-control-allow-origin': '*' } : undefined
  const granted = new Map(
    (origins === '*' ? [] : origins).map((origin) => [
      origin,
      { ...exposing, 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true' },
    ]),
  )
  return ({ headers: { origin } }, reply) => {
    if (granted.size > 0) reply.header('vary', 'Origin')
    const headers = origin === undefined ? undefined : (everyone ?? granted.get(origin))
    if (headers) reply.headers(headers)
    return headers !== undefined
  }
}

/** Grants access to each answer, and answers the preflights of every path. */
export function allowOrigins(app: FastifyInstance, grant: Grant): void {
  app.addHook('onRequest', (request, reply, done) => {
    const isGranted = grant(request, reply)
    const {
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': wanted,
    } = request.headers
    if (request.method !== 'OPTIONS' || origin === undefined || method === undefined) return done()
    if (isGranted) reply.headers(preflight)
    if (isGranted && wanted) reply.header('access-control-allow-headers', wanted)
    reply.code(204).send()
  })
}
