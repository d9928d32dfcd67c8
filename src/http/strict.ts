import type { FastifyInstance } from 'fastify'
import { acceptStrictJson } from './body.ts'
import { requireJsonAccepted } from './representation.ts'
import { rejectMalformedHeaders } from './request-headers.ts'
import { rejectInvalidParameters } from './validation.ts'

/**
 * What version 2 expects of a request beyond HTTP: its headers, query, accepted types and body, checked in this order.
 */
export function beStrict(app: FastifyInstance): void {
  rejectMalformedHeaders(app)
  rejectInvalidParameters(app)
  requireJsonAccepted(app)
  acceptStrictJson(app)
}
