import { type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { Problem, problemDocument } from '../contract/problems.ts'
import type { Log } from '../log.ts'
import { ignoreInput, ignoresInput, lastAnswer, refused, unhurried } from './connections.ts'
import { constantHeaders } from './headers.ts'
import { logRejected, nextRequestId } from './request-log.ts'

const second = 1000

/** The most bytes of a body, unless a route sets its own limit. */
export const bodyLimit = 65536
const urlLimit = 8192

const target = /^(\/|https?:\/\/)/i

/** Node's limits: a client that sends too slowly is cut off within ten seconds, in the headers or in the body. */
export const httpLimits = {
  headersTimeout: 9 * second,
  requestTimeout: 9 * second,
  connectionsCheckingInterval: 500,
  maxHeaderSize: 16384,
  requireHostHeader: false, // Node's own 400 has neither a body nor our headers
}

/** How many connections wait while the process is busy: as many as Linux lets by default. Node's own default is 511. */
export const backlog = 4096

/** How long a client that is still sending has to read why it was rejected, in milliseconds. */
const linger = 2 * second

/** What is wrong with the request line, if anything. Node's parser lets HTTP/0.9, HTTP/2.0 and any target pass. */
export function requestLineProblem({ originalUrl, raw }: FastifyRequest): Problem | undefined {
  if (raw.httpVersion !== '1.1' && raw.httpVersion !== '1.0')
    return new Problem('malformed-request', 'The request must be in HTTP/1.1 or HTTP/1.0.')
  if (!target.test(originalUrl) && !(originalUrl === '*' && raw.method === 'OPTIONS'))
    return new Problem('malformed-request', 'The target of the request must be a path, or an http or https URL.')
  if (originalUrl.length <= urlLimit) return undefined
  const detail = `Path and query together may have at most ${urlLimit} bytes; these have ${originalUrl.length}.`
  return new Problem('url-too-long', detail)
}

/** The methods whose requests begin only once their body has arrived. */
const withBody = new Set(['POST', 'PUT', 'PATCH'])

/**
 * Answers bytes that are not HTTP, and requests that did not arrive in full, and closes the connection. Requests that
 * were begun earlier are answered first; whatever arrives later is discarded.
 */
export const refuseUnparsable = (log: Log) => (error: NodeJS.ErrnoException, socket: Socket) => {
  if (ignoresInput(socket)) return
  const answer = lastAnswer(socket)
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && answer && unhurried.has(answer.req)) return
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy()
    return
  }
  ignoreInput(socket)
  const isOver = answer === undefined || answer.writableFinished
  // An error in the body of a request rejects the request, unless it is being answered without its body.
  const isInBody = answer !== undefined && !answer.req.complete
  const isRefused = isInBody && !isOver && !answer.headersSent && withBody.has(answer.req.method ?? '')
  if (isRefused) refused.add(answer.req)
  const finish = () =>
    close(socket, isInBody && !isRefused ? '' : refusal(error, socket, log, isRefused ? answer.req : undefined))
  if (isOver || isRefused) finish()
  else answer.once('close', finish)
}

/** Sends the last bytes, and closes the connection a little later: a reset could overtake them. */
function close(socket: Socket, bytes: string): void {
  socket.end(bytes)
  const late = setTimeout(() => socket.destroy(), linger).unref()
  socket.once('close', () => clearTimeout(late))
}

/** The answer to what the parser rejected, which gets a line in the log as any other request does. */
function refusal({ code = '' }: NodeJS.ErrnoException, socket: Socket, log: Log, request?: IncomingMessage): string {
  const problem = unparsable(code)
  const { status } = problem.kind
  const id = nextRequestId()
  const body = JSON.stringify({ ...problemDocument(problem), request_id: id })
  const bytes = Buffer.byteLength(body)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    ...Object.entries({
      ...constantHeaders,
      'cache-control': 'no-store',
      'content-type': 'application/problem+json',
      'content-length': bytes,
      'x-request-id': id,
      connection: 'close',
    }).map((header) => header.join(': ')),
  ]
  const { remoteAddress: client } = socket
  logRejected(log, { id, client, request, status, bytes, reason: code, message: problem.message })
  return `${head.join('\r\n')}\r\n\r\n${body}`
}

function unparsable(code: string | undefined): Problem {
  if (code === 'HPE_HEADER_OVERFLOW')
    return new Problem(
      'headers-too-large',
      `The headers and the URL together may have at most ${httpLimits.maxHeaderSize} bytes.`,
    )
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Problem(
      'request-timeout',
      `The request must arrive within ${httpLimits.requestTimeout / second} seconds.`,
    )
  return new Problem('malformed-request', 'The request is not valid HTTP/1.1.')
}
