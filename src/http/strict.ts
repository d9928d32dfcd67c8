import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { acceptStrictJson } from './body.ts'
import { requireJsonAccepted } from './representation.ts'
import { rejectMalformedHeaders } from './request-headers.ts'
import { rejectInvalidParameters } from './validation.ts'

/** What version 2 expects of a request beyond HTTP. Checks what costs least first; the body comes last. */
export function beStrict(app: FastifyInstance, readers: Record<string, (headers: IncomingHttpHeaders) => unknown>) {
  rejectMalformedHeaders(app, readers)
  rejectInvalidParameters(app)
  requireJsonAccepted(app)
  acceptStrictJson(app)
}
