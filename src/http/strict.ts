import type { FastifyInstance } from 'fastify'
import { acceptStrictJson } from './body.ts'
import { requireJsonAccepted } from './representation.ts'
import { rejectMalformedHeaders } from './request-headers.ts'
import { rejectInvalidParameters } from './validation.ts'

/**
 * What version 2 expects of a request beyond HTTP, in the order in which it is checked: the query of a route that has a
 * body, the accepted types, the headers, the body. The query of a route without a body comes last.
 */
export function validateStrictly(app: FastifyInstance): void {
  rejectInvalidParameters(app)
  requireJsonAccepted(app)
  rejectMalformedHeaders(app)
  acceptStrictJson(app)
}
