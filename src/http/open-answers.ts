import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Log } from '../log.ts'
import { logRequest } from './request-log.ts'

/**
 * Begins an answer that lasts, and that the caller of this function writes: a stream in the way of Fastify takes twice the
 * memory. The connection ends with the answer, so that a stop need not wait for it.
 */
export function openAnswer(reply: FastifyReply): ServerResponse {
  const { raw: answer, request } = reply
  reply.header('connection', 'close').hijack()
  const writeLine = () => logRequest(reply.log as Log, request, reply, 0)
  if (answer.destroyed) writeLine()
  else answer.once('close', writeLine)
  return answer.writeHead(200, reply.getHeaders() as NodeJS.Dict<string>)
}
