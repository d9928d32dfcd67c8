import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem, unsupportedMediaType } from '../contract/problems.ts'
import { checkBudget } from './budget.ts'
import { LargeBodies } from './large-bodies.ts'
import { bodyLimit } from './limits.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it was sent, or null; of a file, its SHA-256. */
    bytes: Buffer | null
  }
  interface FastifyContextConfig {
    /** The most items that one list in the body may have. */
    maxItems?: number
  }
}

/**
 * Version 2 accepts JSON in UTF-8 that all readers understand in the same way: no other encoding, no duplicate members,
 * bounded depth and breadth. Everything else is a 400 or a 415.
 */
export function acceptStrictJson(app: FastifyInstance): void {
  app.decorateRequest('bytes', null)
  app.removeAllContentTypeParsers()
  const large = new LargeBodies()
  large.countIn(app)
  for (const type of ['application/json', 'application/merge-patch+json'])
    app.addContentTypeParser(type, { parseAs: 'buffer' }, (request: FastifyRequest, bytes: Buffer) =>
      parseStrictly(request, bytes, large),
    )
  app.addHook('preValidation', async (request) => {
    if (request.routeOptions.schema?.body && request.body === undefined) throw unsupportedMediaType(request)
  })
}

async function parseStrictly(request: FastifyRequest, bytes: Buffer, large: LargeBodies): Promise<unknown> {
  const { headers, method, routeOptions } = request
  if (bytes.length === 0 && !routeOptions.schema?.body) return undefined
  request.bytes = bytes
  const type = headers['content-type'] ?? ''
  const isPlain = /^utf-?8$/i.test(charsetOf(type)) && /^(identity)?$/i.test(headers['content-encoding'] ?? '')
  if (!isPlain || (/merge-patch/i.test(type) && method !== 'PATCH')) throw unsupportedMediaType(request)
  try {
    const text = decode(bytes)
    checkBudget(text, routeOptions.config.maxItems ?? Number.POSITIVE_INFINITY)
    if (bytes.length > bodyLimit) await large.waitToParse(request)
    return parse(text)
  } catch (error) {
    throw asProblem(error)
  }
}

/** The charset that a Content-Type names; utf-8 if none. */
export const charsetOf = (type: string): string => /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(type)?.[1] ?? 'utf-8'

export class NotUtf8 extends Error {}
export class NotJson extends Error {}

/** Parses JSON in UTF-8. Throws {@link NotUtf8}, or {@link NotJson} with the parser's reason. */
export const parseJson = (bytes: Buffer): unknown => parse(decode(bytes))

function decode(bytes: Buffer): string {
  if (!isUtf8(bytes)) throw new NotUtf8()
  return bytes.toString().replace(/^\uFEFF/, '') // a byte order mark is allowed
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new NotJson((error as SyntaxError).message)
  }
}

function asProblem(error: unknown): unknown {
  if (error instanceof NotUtf8) return new Problem('malformed-body', 'The body must be in UTF-8.')
  if (error instanceof NotJson) return new Problem('malformed-body', `The body must be JSON: ${error.message}.`)
  return error
}
