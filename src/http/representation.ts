import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { negotiate } from '@fastify/accept-negotiator'
import type { FastifyInstance, FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import Negotiator from 'negotiator'
import { Problem } from '../contract/problems.ts'
import { addVary } from './headers.ts'

const least = 1024 // characters
const [brotliAsync, gzipAsync] = [promisify(brotliCompress), promisify(gzip)]
const compressed = {
  br: (text: string) => brotliAsync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  gzip: (text: string) => gzipAsync(text),
}
const acceptsJson = /^\s*(\*\/\*|application\/\*|application\/(problem\+)?json)\s*(;|$)/i
const isExcluded = /;\s*q=0(\.0*)?\s*(;|$)/i

declare module 'fastify' {
  interface FastifyContextConfig {
    /** `false` turns compression off for the route. */
    compress?: boolean
    /** Whether the route has answers that are not JSON; it then negotiates their media type itself. */
    negotiates?: boolean
  }
}

/** Rejects clients that do not accept JSON. */
export function requireJsonAccepted(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { accept } = request.headers
    if (!accept || accept.split(',').some((type) => acceptsJson.test(type) && !isExcluded.test(type))) return done()
    if (request.routeOptions.config.negotiates) return done()
    done(
      new Problem(
        'not-acceptable',
        'This path only sends application/json, which the header Accept excludes. Add it, or omit the header.',
      ),
    )
  })
}

/** Which of these media types the client prefers: the first if it has no preference, none if it accepts none. */
export const preferredOf = ({ headers, raw }: FastifyRequest, types: string[]): string | undefined =>
  headers.accept ? new Negotiator(raw).mediaType(types) : types[0]

/** The same, by their names. Throws a 406. */
export function preferred<Name extends string>(
  request: FastifyRequest,
  reply: FastifyReply,
  types: Record<Name, string>,
): Name {
  addVary(reply, 'Accept')
  const [offered, names] = [Object.values<string>(types), Object.keys(types) as Name[]]
  const type = preferredOf(request, offered)
  for (const name of names) if (types[name] === type) return name
  throw new Problem(
    'not-acceptable',
    `The answer can only be ${offered.join(' or ')}, which the header Accept excludes. Add one, or omit the header.`,
  )
}

/** Compresses answers that are large enough, except where a strong ETag names the bytes. */
export function compressAnswers(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload !== 'string' || payload.length < least || reply.hasHeader('etag')) return done()
    // Read last: Fastify creates routeOptions at each access.
    if (request.routeOptions.config.compress === false) return done()
    addVary(reply, 'Accept-Encoding')
    const encoding = negotiate(request.headers['accept-encoding'] ?? '', ['br', 'gzip'])
    if (!encoding) return done()
    reply.header('content-encoding', encoding).removeHeader('content-length')
    compressed[encoding](payload).then((bytes) => done(null, bytes), done)
  })
}

/** For `onSend` of a route: the media type of JSON has no parameters (RFC 8259). Fastify adds a charset. */
export const plainJson: onSendHookHandler = (_request, reply, _payload, done) => {
  if (reply.getHeader('content-type') === 'application/json; charset=utf-8')
    reply.header('content-type', 'application/json')
  done()
}
