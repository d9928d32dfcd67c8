import type { FastifyReply, FastifyRequest } from 'fastify'
import { contentTag, isKnown } from '../contract/preconditions.ts'

const prepared = new WeakMap<object, { etag: string; body: string }>()

/**
 * Sends the content made of these rows, or 304. Its bytes and ETag are made once for each `rows` object, however often
 * it is sent: memory.ts hands out the same objects until something changes.
 */
export function sendPrepared<Rows extends object>(
  { headers }: FastifyRequest,
  reply: FastifyReply,
  rows: Rows,
  asContent: (rows: Rows) => Record<string, unknown>,
) {
  let answer = prepared.get(rows)
  if (!answer) {
    const content = asContent(rows)
    answer = { etag: contentTag(content), body: reply.serializeInput(content, '200', 'application/json') as string }
    prepared.set(rows, answer)
  }
  reply.header('etag', answer.etag)
  if (isKnown(headers, answer.etag)) return reply.code(304).send()
  return reply.type('application/json; charset=utf-8').send(answer.body)
}
