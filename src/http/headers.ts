import type { FastifyReply, FastifyRequest } from 'fastify'

/** Headers of every answer. */
export const constantHeaders = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'cache-control': 'private, no-cache',
}

/** Names another header of the request on which the answer depends. */
export function addVary(reply: FastifyReply, name: string): void {
  const others = reply.getHeader('vary')
  reply.header('vary', others ? `${others}, ${name}` : name)
}

/** Sets the headers of every answer, and the id of its request. */
export function setHeaders(request: FastifyRequest, reply: FastifyReply): void {
  reply.headers(constantHeaders).header('x-request-id', request.id)
}
