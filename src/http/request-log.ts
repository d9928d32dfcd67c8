import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { finished, Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Log } from '../log.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The pattern of the matched route, or null. */
    route: string | null
  }
}

const processId = randomBytes(6).toString('base64url')
let requests = 0

/** The caller's `X-Request-Id` if it is plain, otherwise a new id: a random part per process, and a counter. */
export function requestId({ headers }: IncomingMessage): string {
  const given = headers['x-request-id']
  return given !== undefined && /^[A-Za-z0-9_-]{1,64}$/.test(String(given)) ? String(given) : nextRequestId()
}

export function nextRequestId(): string {
  requests += 1
  return `${processId}-${requests}`
}

/** Writes one line for each request: when its answer is sent, or when its stream has ended. */
export function logRequests(app: FastifyInstance, log: Log): void {
  app.decorateRequest('route', null)
  app.addHook('onRoute', (route) => {
    const url = route.url.replace(/\(.*?\)(?=\/|$)/g, '') // without the patterns of its parameters
    const remember = (request: FastifyRequest, _reply: FastifyReply, done: () => void) => {
      request.route = url
      done()
    }
    route.onRequest = [remember, ...[route.onRequest ?? []].flat()]
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    const write = (bytes: number) => log.line(requestLine(request, reply, request.method === 'HEAD' ? 0 : bytes))
    if (payload instanceof Readable) finished(payload, () => write(Number(reply.getHeader('content-length') ?? 0)))
    else write(payload ? Buffer.byteLength(payload as string | Buffer) : 0)
    done()
  })
}

/** Written by hand because every request needs it: only the URL can contain what JSON must escape. */
export function requestLine(request: FastifyRequest, reply: FastifyReply, bytes: number): string {
  const { method, headers } = request.raw
  const url = JSON.stringify(request.originalUrl)
  const status = reply.raw.statusCode
  const ms = Math.round(reply.elapsedTime * 10) / 10
  const trace = headers.traceparent === undefined ? '' : traceField(String(headers.traceparent))
  return (
    `{"level":"info","time":"${now()}","request_id":"${request.id}"${trace},"method":"${method}",` +
    `"route":"${request.route ?? ''}","url":${url},"status":${status},"ms":${ms},"bytes":${bytes},` +
    `"msg":"${method} ${url.slice(1, -1)} ${status} in ${ms} ms"}\n`
  )
}

/** The trace that a `traceparent` (W3C Trace Context) names. */
function traceField(traceparent: string): string {
  const id = /^00-([0-9a-f]{32})-[0-9a-f]{16}-/.exec(traceparent)?.[1]
  return id === undefined ? '' : `,"trace_id":"${id}"`
}

let second = 0
let prefix = ''

/** The time in ISO 8601. Its slow part is formatted once a second. */
function now(): string {
  const at = Date.now()
  if (at - second >= 1000 || at < second) {
    second = at - (at % 1000)
    prefix = new Date(second).toISOString().slice(0, 20)
  }
  return `${prefix}${String(at - second).padStart(3, '0')}Z`
}
