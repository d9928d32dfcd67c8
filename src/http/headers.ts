import type { FastifyReply, FastifyRequest } from 'fastify'

const constant = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'private, no-cache',
}

/** What every answer carries, whatever becomes of the request. */
export function setHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers(constant).header('x-request-id', request.id)
}
