import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { ConnectionLost, isGivenUp, isSqlError, NotDone, Overloaded, Unreachable } from '../database/errors.ts'
import { type Code, kinds } from './problem-kinds.ts'

/** A failure that the caller can act on; anything else that is thrown leaves as a bare 500. */
export class Problem extends Error {
  readonly code: Code
  readonly status: number
  /** What the document lists as wrong, its members besides the standard ones, and headers of the answer. */
  readonly with: { errors?: unknown[]; members?: Record<string, unknown>; headers?: Record<string, string> }
  constructor(code: Code, detail: string, extra: Problem['with'] = {}) {
    super(detail)
    this.code = code
    this.status = kinds[code][0]
    this.with = extra
  }
}

/** A query parameter that only reading it has shown to be wrong; `what` says what would be right. */
export const wrongParameter = (parameter: string, code: string, what: string): Problem =>
  new Problem('invalid-parameter', `${parameter} ${what}`, { errors: [{ parameter, code, detail: what }] })

/** A member of the body that its schema alone cannot judge; `what` says what would be right. */
export const wrongMember = (pointer: string, code: string, what: string): Problem =>
  new Problem('invalid-body', `${pointer} ${what}`, { errors: [{ pointer, code, detail: what }] })

/** RFC 9457, as every failing answer of version 2 looks. */
export const ProblemDocument = Type.Object(
  {
    type: Type.String({ format: 'uri-reference' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What is wrong with this request, and what would be right.' }),
    instance: Type.Optional(Type.String({ format: 'uri-reference' })),
    code: Type.String({ description: 'Stable, for programs.' }),
    request_id: Type.Optional(Type.String()),
    index: Type.Optional(Type.Integer({ description: 'The place in the batch of the operation that failed, from 0.' })),
    current_version: Type.Optional(Type.Integer({ description: 'The version that there is now.' })),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.Optional(Type.String({ description: 'JSON Pointer into the body.' })),
          parameter: Type.Optional(Type.String({ description: 'Name of a parameter.' })),
          code: Type.String(),
          detail: Type.String(),
        }),
      ),
    ),
  },
  { $id: 'Problem', description: 'RFC 9457: what went wrong.' },
)
export type ProblemDocument = Static<typeof ProblemDocument>

/** The document of a problem, as far as it does not depend on the request. */
export const document = ({ code, status, message, with: { errors, members } }: Problem): ProblemDocument => ({
  type: `/problems/${code}`,
  title: kinds[code][1],
  status,
  detail: message,
  code,
  ...members,
  ...(errors && { errors: errors as NonNullable<ProblemDocument['errors']> }),
})

/** The error handler of version 2 and of /problems. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const problem = asProblem(error, request)
  return fail(problem, reply)
    .type('application/problem+json')
    .send({ ...document(problem), instance: request.url.split('?')[0], request_id: request.id })
}

/** Status and headers of a failing answer, whatever its body's shape. */
export function fail(problem: Problem, reply: FastifyReply): FastifyReply {
  // Fastify closes where it leaves a body unread. Node reads on: else who is still sending sees a reset, not the answer.
  return reply
    .removeHeader('connection')
    .code(problem.status)
    .headers({ 'cache-control': 'no-store', ...problem.with.headers })
    .serializer(JSON.stringify)
}

/** Names what was thrown as a problem; logs it where it is ours. */
export function asProblem(error: unknown, request: FastifyRequest): Problem {
  const problem =
    error instanceof Problem ? error : (ofDatabase(error, request) ?? ofFastify(error as FastifyError, request))
  if (problem.status >= 500 && problem !== error)
    request.log.error(
      { request_id: request.id, err: error },
      `${request.method} ${request.url} failed: ${problem.message}`,
    )
  return problem
}

const soon = { headers: { 'retry-after': '1' } }

function ofDatabase(error: unknown, { method }: FastifyRequest): Problem | undefined {
  if (error instanceof Unreachable)
    return new Problem('unavailable', 'The database cannot be reached at the moment. Try again soon.', soon)
  if (error instanceof NotDone)
    return new Problem('unavailable', 'The database is not fit for this at the moment. Try again soon.', soon)
  if (isSqlError(error) && error.code === '53100')
    return new Problem(
      'storage-full',
      'The database has no room left on its disk. Reading works, writing does not.',
      soon,
    )
  if (isSqlError(error) && /^(53|55P03)/.test(error.code))
    return new Problem('unavailable', 'The database is busy, and nothing was changed. Try again soon.', soon)
  if (isGivenUp(error))
    return new Problem('unavailable', 'Others kept writing the same, and nothing was changed. Try again soon.', soon)
  if (error instanceof Overloaded)
    return new Problem('unavailable', 'Too many requests are waiting for the database. Try again soon.', soon)
  if (isSqlError(error) && error.code === '57014')
    return new Problem('timeout', 'The database took too long, and nothing was changed.')
  if (!(error instanceof ConnectionLost)) return undefined
  if (method !== 'GET' && method !== 'HEAD')
    return new Problem(
      'outcome-unknown',
      'The database was lost before it said whether the write took effect. Repeat it with the same Idempotency-Key if it had one; else look first.',
      soon,
    )
  return error.timedOut
    ? new Problem('timeout', 'The database did not answer in time.')
    : new Problem('unavailable', 'The connection to the database was lost. Try again soon.', soon)
}

/** Names the media types that would be right, for people and in the header that is made for it. */
export function unsupportedMediaType(method: string): Problem {
  const types = method === 'PATCH' ? 'application/merge-patch+json, application/json' : 'application/json'
  return new Problem('unsupported-media-type', `The body must be JSON in UTF-8, with the Content-Type ${types}.`, {
    headers: { [method === 'PATCH' ? 'accept-patch' : 'accept-post']: types },
  })
}

function ofFastify(
  { code, statusCode = 500, message }: FastifyError,
  { method, routeOptions }: FastifyRequest,
): Problem {
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new Problem('body-too-large', `A body may have at most ${routeOptions.bodyLimit} bytes.`)
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return unsupportedMediaType(method)
  if (statusCode < 500) return new Problem('malformed-request', `${message.replace(/\.+$/, '')}.`)
  return new Problem(
    'internal-error',
    'The error has been logged under the request_id. Tell the operator, or try again.',
  )
}
