import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { document, Problem } from '../contract/problems.ts'
import { constant } from './headers.ts'
import { nextRequestId } from './request-log.ts'

const second = 1000

/** Bytes of a body, where a route says nothing else. */
export const bodyLimit = 65536
const urlLimit = 8192

/** Node's own limits: a client that dawdles is cut off within ten seconds, whatever it leaves unsaid. */
export const httpLimits = {
  headersTimeout: 9 * second,
  requestTimeout: 9 * second,
  connectionsCheckingInterval: 500,
  maxHeaderSize: 16384,
  requireHostHeader: false, // Node's own refusal has neither a body nor our headers
}

/** What is wrong with the request line and the host, if anything. */
export function refuseOutright({ originalUrl, raw }: FastifyRequest): Problem | undefined {
  if (raw.headers.host === undefined && raw.httpVersion === '1.1')
    return new Problem('malformed-request', 'A request in HTTP/1.1 must have the header Host.')
  if (originalUrl.length > urlLimit)
    return new Problem(
      'url-too-long',
      `The path and query may have ${urlLimit} bytes together, not ${originalUrl.length}.`,
    )
}

/** Answers what is not even HTTP, or never became a whole request. */
export function refuseUnparsable(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy()
  const problem = unparsable(error.code)
  const id = nextRequestId()
  const body = JSON.stringify({ ...document(problem), request_id: id })
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}`,
    ...Object.entries({
      ...constant,
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
      `The headers and the URL may have ${httpLimits.maxHeaderSize} bytes together.`,
    )
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Problem(
      'request-timeout',
      `A request must have arrived after ${httpLimits.requestTimeout / second} seconds.`,
    )
  return new Problem('malformed-request', 'This is not a request in HTTP/1.1.')
}
