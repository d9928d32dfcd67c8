import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { Problem, problemDocument } from '../contract/problems.ts'
import { constantHeaders } from './headers.ts'
import { nextRequestId } from './request-log.ts'

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

/** Answers bytes that are not HTTP, and requests that never arrived whole. */
export function answerUnparsable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const problem = unparsable(error.code)
  const id = nextRequestId()
  const body = JSON.stringify({ ...problemDocument(problem), request_id: id })
  const head = [
    `HTTP/1.1 ${problem.kind.status} ${STATUS_CODES[problem.kind.status]}`,
    ...Object.entries({
      ...constantHeaders,
      'cache-control': 'no-store',
      'content-type': 'application/problem+json',
      'content-length': Buffer.byteLength(body),
      'x-request-id': id,
      connection: 'close',
    }).map((header) => header.join(': ')),
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
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
