import { isUtf8 } from 'node:buffer'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem, unsupportedMediaType } from '../contract/problems.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The body as it came, or null. */
    bytes: Buffer | null
  }
}

const deepest = 32
/** Members of one object: each that is unknown is told, so that there must not be any number of them. */
const mostMembers = 50

/**
 * Version 2 takes JSON in UTF-8 and nothing that two readers could understand differently: no other encoding, no
 * duplicate member, no depth or breadth that a reader would choke on. Everything else is a 400, or a 415.
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
  const isPlain = charset.toLowerCase() === 'utf-8' && /^(identity)?$/i.test(headers['content-encoding'] ?? '')
  if (!isPlain || (/merge-patch/i.test(type) && method !== 'PATCH')) throw unsupportedMediaType(method)
  const { text, value } = parseJson(bytes, strict)
  refuseAmbiguity(text)
  return value
}

/** How a version of the API refuses bytes that are no JSON. */
export interface JsonPolicy {
  notUtf8: () => Error
  notJson: (reason: string) => Error
}

const strict: JsonPolicy = {
  notUtf8: () => new Problem('malformed-body', 'The body must be in UTF-8.'),
  notJson: (reason) => new Problem('malformed-body', `The body must be JSON: ${reason}.`),
}

export function parseJson(bytes: Buffer, { notUtf8, notJson }: JsonPolicy): { text: string; value: unknown } {
  if (!isUtf8(bytes)) throw notUtf8()
  const text = bytes.toString().replace(/^\uFEFF/, '') // a byte order mark is allowed
  try {
    return { text, value: JSON.parse(text) }
  } catch (error) {
    throw notJson((error as SyntaxError).message)
  }
}

const token = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g

/** Throws where valid JSON repeats a member's name in one object, has too many of them, or nests too deep. */
function refuseAmbiguity(json: string): void {
  const open: Set<string>[] = []
  let string = ''
  for (const [part] of json.matchAll(token)) {
    if (part === '{' || part === '[') {
      if (open.push(new Set()) > deepest)
        throw new Problem('malformed-body', `The body must not nest deeper than ${deepest} levels.`)
    } else if (part === '}' || part === ']') {
      open.pop()
    } else if (part === ':') {
      const names = open.at(-1) as Set<string>
      const name = JSON.parse(string)
      if (names.has(name)) throw new Problem('malformed-body', `The member ${string} must not occur twice.`)
      if (names.add(name).size > mostMembers)
        throw new Problem('malformed-body', `An object must not have more than ${mostMembers} members.`)
    } else {
      string = part
    }
  }
}
