import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem, unsupportedMediaType } from '../contract/problems.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it was sent, or null. */
    bytes: Buffer | null
  }
}

const maxDepth = 32
/** The most members one object may have; each unknown one is reported, so the number must be bounded. */
const maxMembers = 50

/**
 * Version 2 accepts JSON in UTF-8 that all readers understand in the same way: no other encoding, no duplicate members,
 * bounded depth and breadth. Everything else is a 400 or a 415.
 */
export function acceptStrictJson(app: FastifyInstance): void {
  app.decorateRequest('bytes', null)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, parseStrictly)
  app.addContentTypeParser('application/merge-patch+json', { parseAs: 'buffer' }, parseStrictly)
  app.addHook('preValidation', async ({ body, method, routeOptions }) => {
    if (routeOptions.schema?.body && body === undefined) throw unsupportedMediaType(method)
  })
}

async function parseStrictly(request: FastifyRequest, bytes: Buffer): Promise<unknown> {
  const { headers, method, routeOptions } = request
  if (bytes.length === 0 && !routeOptions.schema?.body) return undefined
  request.bytes = bytes
  const type = headers['content-type'] ?? ''
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)/i.exec(type)?.[1] ?? 'utf-8'
  const isPlain = /^utf-?8$/i.test(charset) && /^(identity)?$/i.test(headers['content-encoding'] ?? '')
  if (!isPlain || (/merge-patch/i.test(type) && method !== 'PATCH')) throw unsupportedMediaType(method)
  try {
    const { text, value } = parseJson(bytes)
    rejectAmbiguity(text)
    return value
  } catch (error) {
    throw asProblem(error)
  }
}

export class NotUtf8 extends Error {}
export class NotJson extends Error {}

/** Parses JSON in UTF-8. Throws {@link NotUtf8}, or {@link NotJson} with the parser's reason. */
export function parseJson(bytes: Buffer): { text: string; value: unknown } {
  if (!isUtf8(bytes)) throw new NotUtf8()
  const text = bytes.toString().replace(/^\uFEFF/, '') // a byte order mark is allowed
  try {
    return { text, value: JSON.parse(text) }
  } catch (error) {
    throw new NotJson((error as SyntaxError).message)
  }
}

function asProblem(error: unknown): unknown {
  if (error instanceof NotUtf8) return new Problem('malformed-body', 'The body must be in UTF-8.')
  if (error instanceof NotJson) return new Problem('malformed-body', `The body must be JSON: ${error.message}.`)
  return error
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g

/** Throws if valid JSON repeats a member in an object, has too many members, or is nested too deeply. */
function rejectAmbiguity(json: string): void {
  const open: Set<string>[] = []
  let string = ''
  for (const [part] of json.matchAll(token)) {
    if (part === '{' || part === '[') {
      if (open.push(new Set()) > maxDepth)
        throw new Problem('malformed-body', `The body must not nest deeper than ${maxDepth} levels.`)
    } else if (part === '}' || part === ']') {
      open.pop()
    } else if (part === ':') {
      const names = open.at(-1) as Set<string>
      const name = JSON.parse(string)
      if (names.has(name)) throw new Problem('malformed-body', `The member ${string} must not occur twice.`)
      if (names.add(name).size > maxMembers)
        throw new Problem('malformed-body', `An object must not have more than ${maxMembers} members.`)
    } else {
      string = part
    }
  }
}
