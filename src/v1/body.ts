import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../contract/problems.ts'
import { NotJson, NotUtf8, parseJson } from '../http/body.ts'
import { V1InvalidInput } from './failures.ts'
import { notAnObject } from './validation.ts'

const mediaType = /^\s*[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+\s*(;|$)/

/** Replaces a malformed Content-Type, which Fastify would reject before the handler runs. */
export function excuseContentType({ headers }: IncomingMessage): void {
  const { 'content-type': type = '' } = headers
  if (mediaType.test(type)) return
  headers['content-type'] = type.trim() === '' ? undefined : 'application/octet-stream'
}

/** Version 1 reads JSON also where no type is given, and treats any other type as a body that is not an object. */
export function acceptJsonAsVersion1(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, async ({ headers }: FastifyRequest, bytes: Buffer) => {
    if (bytes.length === 0) return undefined
    if (!/^\s*($|application\/([^;]*\+)?json\s*(;|$))/i.test(headers['content-type'] ?? ''))
      throw notAnObject(bytes.toString())
    try {
      return parseJson(bytes)
    } catch (error) {
      throw inVersion1(error)
    }
  })
}

function inVersion1(error: unknown): unknown {
  if (error instanceof NotUtf8) return new Problem('malformed-body', 'There was an error parsing the body')
  if (!(error instanceof NotJson)) return error
  const ctx = { error: error.message }
  return new V1InvalidInput([{ type: 'json_invalid', loc: ['body', 0], msg: 'JSON decode error', input: {}, ctx }])
}
