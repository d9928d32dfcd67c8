import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../contract/problems.ts'
import { type JsonPolicy, parseJson } from '../http/body.ts'
import { invalid, notAnObject } from './validation.ts'

const policy: JsonPolicy = {
  notUtf8: () => new Problem('malformed-body', 'There was an error parsing the body'),
  notJson: (reason) =>
    invalid([{ type: 'json_invalid', loc: ['body', 0], msg: 'JSON decode error', input: {}, ctx: { error: reason } }]),
}

const mediaType = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/

/** Hides a Content-Type that is no media type, which Fastify would refuse before it looks for the route. */
export function excuseContentType({ headers }: IncomingMessage): void {
  const { 'content-type': type = '' } = headers
  if (mediaType.test(type)) return
  headers['content-type'] = type.trim() === '' ? undefined : 'application/octet-stream'
}

/** Version 1 reads JSON also where no type is given, and takes any other type for a body that is not an object. */
export function acceptJsonAsVersion1(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async ({ headers }: FastifyRequest, bytes: Buffer) => {
    if (bytes.length === 0) return undefined
    if (!/^\s*($|application\/([^;]*\+)?json\s*(;|$))/i.test(headers['content-type'] ?? ''))
      throw notAnObject(bytes.toString())
    return parseJson(bytes, policy).value
  })
}
