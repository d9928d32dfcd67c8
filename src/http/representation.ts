import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { negotiate } from '@fastify/accept-negotiator'
import type { FastifyInstance, onSendHookHandler } from 'fastify'
import { Problem } from '../contract/problems.ts'
import { addVary } from './headers.ts'

const least = 1024
const compressed = {
  br: (text: string) => promisify(brotliCompress)(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
  gzip: (text: string) => promisify(gzip)(text),
}
const takesJson = /^\s*(\*\/\*|application\/\*|application\/(problem\+)?json)\s*(;|$)/i
const isRefused = /;\s*q=0(\.0*)?\s*(;|$)/i

/** Refuses clients that take no JSON. */
export function requireJsonAccepted(app: FastifyInstance): void {
  app.addHook('onRequest', (request, _reply, done) => {
    const { accept } = request.headers
    if (!accept || accept.split(',').some((type) => takesJson.test(type) && !isRefused.test(type))) return done()
    done(new Problem('not-acceptable', `This path answers with application/json, which Accept: ${accept} rules out.`))
  })
}

/** Compresses what is large enough, except where a strong ETag names the bytes, and in version 1, which never did. */
export function compressAnswers(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, payload, done) => {
    if (typeof payload !== 'string' || payload.length < least || reply.hasHeader('etag')) return done()
    if (/^\/api\/v1\b/.test(request.url)) return done()
    addVary(reply, 'Accept-Encoding')
    const encoding = negotiate(request.headers['accept-encoding'] ?? '', ['br', 'gzip'])
    if (!encoding) return done()
    reply.header('content-encoding', encoding).removeHeader('content-length')
    compressed[encoding](payload).then((bytes) => done(null, bytes), done)
  })
}

/** JSON's type has no parameters, as version 1 sends it; Fastify adds a charset. */
export const plainJson: onSendHookHandler = (_request, reply, _payload, done) => {
  if (reply.getHeader('content-type') === 'application/json; charset=utf-8')
    reply.header('content-type', 'application/json')
  done()
}
