import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { Problem, unsupportedMediaType } from '../../contract/problems.ts'
import { charsetOf } from '../../http/body.ts'
import { receive } from '../../http/transfers.ts'
import { gunzipped } from './gzip.ts'
import type { Source } from './stage.ts'

/** What a request imports, by its `Content-Type`. */
export function typeOf({ headers }: FastifyRequest): Source['type'] {
  const type = headers['content-type'] ?? ''
  if (/^application\/json\b/i.test(type)) return 'json'
  return /ndjson/i.test(type) ? 'ndjson' : 'csv'
}

/** The file of a request while it arrives, or the array in its body. */
export function sourceOf(request: FastifyRequest, signal: AbortSignal): Source {
  const { body, headers } = request
  const type = typeOf(request)
  if (type === 'json') {
    if (!Array.isArray(body)) throw notAnArray()
    return { type, items: body }
  }
  const encoding = /^(?:(identity)|(?:x-)?gzip)?$/i.exec(headers['content-encoding'] ?? '')
  if (!encoding || !/^(utf-?8|us-ascii)$/i.test(charsetOf(headers['content-type'] ?? '')))
    throw unsupportedMediaType(request)
  const isPlain = encoding[0] === '' || encoding[1] !== undefined
  const bytes = hashed(request, receive(request, signal))
  return { type, bytes: isPlain ? bytes : gunzipped(bytes) }
}

/** The same bytes. Once all have arrived, their hash stands for the body of the request. */
async function* hashed(request: FastifyRequest, bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const hash = createHash('sha256')
  for await (const piece of bytes) {
    hash.update(piece)
    yield piece
  }
  request.bytes = hash.digest()
}

function notAnArray(): Problem {
  const detail = 'The body must be an array of rows.'
  return new Problem('invalid-body', detail, { errors: [{ pointer: '', code: 'type', detail }] })
}
