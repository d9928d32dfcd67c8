import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { finished, Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Log } from '../log.ts'
import { counter, histogram } from '../metrics.ts'
import { refused } from './connections.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The pattern of the matched route, or null. */
    route: string | null
  }
}

const durations = histogram(
  'http_server_request_duration_seconds',
  'Time from the arrival of a request to its answer; of a stream, to its end.',
  [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
  'http_request_method',
  'http_route',
  'http_response_status_code',
)
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

const unreadable = counter(
  'sample_api_unreadable_requests_total',
  'Requests that the HTTP parser rejected, or that did not arrive in time.',
  'http_response_status_code',
)

const processId = randomBytes(6).toString('base64url')
let requests = 0

/**
 * The caller's `X-Request-Id` if it is plain and does not look like an API key or token, otherwise a new id: a random part
 * per process, and a counter.
 */
export function requestId({ headers }: IncomingMessage): string {
  const given = String(headers['x-request-id'] ?? '')
  return /^[A-Za-z0-9_-]{1,64}$/.test(given) && withoutCredentials(given) === given ? given : nextRequestId()
}

export function nextRequestId(): string {
  requests += 1
  return `${processId}-${requests}`
}

/** Writes one line for each request: when its answer is sent, or when its stream has ended. */
export function logRequests(app: FastifyInstance, log: Log): void {
  app.decorateRequest('route', null)
  app.addHook('onRoute', (route) => {
    const url = withoutPatterns(route.url)
    const remember = (request: FastifyRequest, _reply: FastifyReply, done: () => void) => {
      request.route = url
      done()
    }
    route.onRequest = [remember, ...[route.onRequest ?? []].flat()]
  })
  app.addHook('onSend', (request, reply, payload, done) => {
    // Rejected before the hooks of its route. Fastify creates routeOptions at each access.
    request.route ??= withoutPatterns(request.routeOptions.url ?? '')
    const write = (bytes: number) => logRequest(log, request, reply, request.method === 'HEAD' ? 0 : bytes)
    if (payload instanceof Readable) finished(payload, () => write(Number(reply.getHeader('content-length') ?? 0)))
    else if (!refused.has(request.raw)) write(payload ? Buffer.byteLength(payload as string | Buffer) : 0)
    done()
  })
}

/** Counts a request that is answered, and writes its line. Those that are shed have lines of their own, one a second. */
export function logRequest(log: Log, request: FastifyRequest, reply: FastifyReply, bytes: number): void {
  const { method } = request.raw
  const milliseconds = reply.elapsedTime
  durations
    .of(
      methods.has(method as string) ? (method as string) : '_OTHER',
      request.route || 'unrouted',
      reply.raw.statusCode,
    )
    .observe(milliseconds / 1000)
  if (!request.isShed) log.line(requestLine(request, reply, bytes, milliseconds))
}

/** The URL of a route without the patterns of its parameters. */
const withoutPatterns = (url: string) => url.replace(/\(.*?\)(?=\/|$)/g, '')

/** Written by hand because every request needs it: only client, caller and URL can contain what JSON must escape. */
function requestLine(request: FastifyRequest, reply: FastifyReply, bytes: number, milliseconds: number): string {
  const { method, headers } = request.raw
  const route = request.route ?? ''
  const status = reply.raw.statusCode
  const ms = Math.round(milliseconds * 10) / 10
  const trace = headers.traceparent === undefined ? '' : traceField(String(headers.traceparent))
  const caller = request.caller ? `,"caller":${JSON.stringify(request.caller.name)}` : ''
  return (
    `{"level":"info","time":"${now()}","request_id":"${request.id}"${trace},"client":${clientOf(request.ip)}${caller},` +
    `"method":"${method}","route":"${route}","url":${JSON.stringify(loggable(request.originalUrl))},` +
    `"status":${status},"ms":${ms},"bytes":${bytes},"msg":"${method} ${route && `${route} `}${status} in ${ms} ms"}\n`
  )
}

interface Rejected {
  id: string
  client: string | undefined
  /** The request, if the parser got as far as its body. */
  request: IncomingMessage | undefined
  status: number
  bytes: number
  reason: string
  message: string
}

/** Counts what the HTTP parser rejected, and writes its line. */
export function logRejected(log: Log, rejected: Rejected): void {
  unreadable.of(rejected.status).add()
  log.line(rejectedLine(rejected))
}

function rejectedLine({ id, client, request, status, bytes, reason, message }: Rejected): string {
  const { method = '', url = '' } = request ?? {}
  return (
    `{"level":"info","time":"${now()}","request_id":"${id}","client":${clientOf(client)},"method":"${method}",` +
    `"url":${JSON.stringify(loggable(url))},"status":${status},"bytes":${bytes},"reason":${JSON.stringify(reason)},` +
    `"msg":${JSON.stringify(`${status}: ${message}`)}}\n`
  )
}

let lastClient = { address: '', json: '""' }

/** A client's address as JSON: any text that a trusted proxy forwards. Often it is that of the last line. */
function clientOf(address = ''): string {
  if (address !== lastClient.address) lastClient = { address, json: JSON.stringify(address.slice(0, 64)) }
  return lastClient.json
}

/** The most characters of a URL in the log. */
const longestUrl = 1024

/**
 * A URL for the log: shortened, without the values of parameters whose names suggest a secret, and without what looks
 * like an API key or a token.
 */
function loggable(url: string): string {
  const query = url.indexOf('?')
  const safe = query >= 0 && mayBeSecret.test(url) ? url.slice(0, query) + withoutSecrets(url.slice(query)) : url
  const text = withoutCredentials(safe)
  return text.length > longestUrl ? `${text.slice(0, longestUrl)}…` : text
}

const secret =
  /token|secret|passw|pwd|credential|authorization|^auth$|signature|^sig$|session|jwt|(^|[^a-z]|api|access|private)key$/i
/** An API key, or a JSON Web Token, also if a part of it is missing. */
const credentials = /hr(?:_|%5[Ff])\w{8,}|eyJ[\w-]{8,}(\.[\w-]*)*/g

/** The text for the log, without what looks like an API key or a token. */
export const withoutCredentials = (text: string): string => text.replace(credentials, '***')

/** A quick first check of the whole URL; a name may be percent-encoded. */
const mayBeSecret = /token|secret|passw|pwd|credential|auth|sig|session|jwt|key|%/i

const withoutSecrets = (query: string) =>
  query.replace(/([?&;])([^=&;]*)=[^&;]*/g, (pair, mark: string, name: string) =>
    secret.test(decoded(name)) ? `${mark}${name}=***` : pair,
  )

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
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
