import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { type Static, Type } from 'typebox'
import { Overloaded, reason } from '../database/errors.ts'
import { type Log, recentStall } from '../log.ts'
import { counter, shed } from '../metrics.ts'
import { failureOf } from './database-problems.ts'
import { pathOf } from './path.ts'
import { type Code, type Kind, kinds } from './problem-kinds.ts'

/** Of both versions of the API. */
export const problemsSent = counter(
  'sample_api_problems_total',
  'Requests that failed, by the code of the problem.',
  'code',
)

interface Extra {
  /** The single faults of the request. */
  errors?: NonNullable<ProblemDocument['errors']>
  /** Members of the problem document besides the standard ones. */
  members?: Pick<ProblemDocument, 'index' | 'current_version' | CountName>
  /** Headers of the answer. */
  headers?: Record<string, string>
}

/** A failure that the caller can act on; anything else that is thrown is answered with a bare 500. */
export class Problem extends Error {
  readonly kind: Kind
  readonly extra: Extra
  constructor(kind: Code | Kind, detail: string, extra: Extra = {}) {
    super(detail)
    this.kind = typeof kind === 'string' ? kinds[kind] : kind
    this.extra = extra
  }
}

/** `No house has the id 17.` */
export const missing = (what: string, id: number): string => `No ${what} has the id ${id}.`
export const noSuch = (what: string, id: number): Problem => new Problem('not-found', missing(what, id))

/** For a query parameter that a schema cannot check. `what` is the rest of the sentence: `limit` + `must be …`. */
export const invalidParameter = (parameter: string, code: string, what: string): Problem =>
  new Problem('invalid-parameter', `${parameter} ${what}`, { errors: [{ parameter, code, detail: what }] })

/** For a member of the body that a schema cannot check. `what` is the rest of the sentence. */
export const invalidMember = (pointer: string, code: string, what: string): Problem =>
  new Problem('invalid-body', `${pointer} ${what}`, { errors: [{ pointer, code, detail: what }] })

const Count = Type.Optional(Type.Integer({ format: 'int32', description: 'Of an import: rows.' }))
const counts = { received: Count, created: Count, updated: Count, unchanged: Count, rejected: Count }
type CountName = keyof typeof counts

/** How many faults of one request are reported. */
export const maxErrors = 100

/** RFC 9457, as every failing answer of version 2 looks. */
export const ProblemDocument = Type.Object(
  {
    type: Type.String({ format: 'uri-reference' }),
    title: Type.String(),
    status: Type.Integer({ format: 'int32' }),
    detail: Type.String({ description: 'What is wrong with this request, and how to fix it.' }),
    instance: Type.Optional(Type.String({ format: 'uri-reference' })),
    code: Type.String({ description: 'Stable, for programs.' }),
    request_id: Type.Optional(Type.String()),
    index: Type.Optional(
      Type.Integer({ format: 'int32', description: 'The index of the failed operation in the batch, from 0.' }),
    ),
    current_version: Type.Optional(
      Type.Integer({
        format: 'int32',
        description:
          'With 409 and 412: the current version of the resource, if it has versions. A deletion is a version too.',
      }),
    ),
    ...counts,
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.Optional(Type.String({ description: 'JSON Pointer into the body.' })),
          parameter: Type.Optional(Type.String({ description: 'Name of a parameter.' })),
          line: Type.Optional(Type.Integer({ format: 'int32', description: 'Line of a file, from 1.' })),
          column: Type.Optional(
            Type.Integer({ format: 'int32', description: 'Character of the line, or cell of the row, from 1.' }),
          ),
          field: Type.Optional(Type.String({ description: 'Column or member of a row.' })),
          code: Type.String(),
          detail: Type.String(),
        }),
        { maxItems: 1000 },
      ),
    ),
  },
  { $id: 'Problem', description: 'RFC 9457: what went wrong.' },
)
export type ProblemDocument = Static<typeof ProblemDocument>

/** The document of a problem, as far as it does not depend on the request. */
export const problemDocument = ({ kind: { code, status, title }, message, extra: { errors, members } }: Problem) =>
  ({
    type: `/problems/${code}`,
    title,
    status,
    detail: message,
    code,
    ...members,
    ...(errors && { errors }),
  }) satisfies ProblemDocument

/** Answers a failure with a problem document. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const problem = asProblem(error, request)
  const document = problemDocument(problem)
  const { prefix } = request.site
  return fail(problem, reply)
    .type('application/problem+json')
    .send({
      ...document,
      type: prefix + document.type,
      instance: prefix + pathOf(request),
      request_id: request.id,
    })
}

/** Sets status and headers of a failing answer; the caller sends the body. */
export function fail({ kind, extra }: Problem, reply: FastifyReply): FastifyReply {
  problemsSent.of(kind.code).add()
  // Fastify closes the connection if the body is unread, and a client that is still sending would see a reset. Without
  // `connection: close`, Node reads the rest.
  return reply
    .removeHeader('connection')
    .code(kind.status)
    .headers({ 'cache-control': 'no-store', ...extra.headers })
    .serializer(JSON.stringify)
}

/** Converts anything thrown into a problem, and logs it if the fault is ours. */
export function asProblem(error: unknown, request: FastifyRequest): Problem {
  const problem =
    error instanceof Problem ? error : (ofDatabase(error, request) ?? ofFastify(error as FastifyError, request))
  if (error instanceof Overloaded) shed.of('database').add()
  if (problem.kind.status >= 500 && problem !== error) logFailure(error, problem.kind, request)
  return problem
}

/** Logs an unexpected error with its stack. Failures of an outage are many, so they are throttled and have no stack. */
function logFailure(error: unknown, { code, status }: Kind, { id, method, routeOptions, log }: FastifyRequest): void {
  const message = `${method} ${routeOptions.url ?? ''} failed with ${status} ${code}`
  const why = reason(error)
  const stall = /no answer within|timeout/.test(why) ? recentStall() : undefined // only what is late
  if (code === 'internal-error') log.error({ request_id: id, err: error }, message)
  else (log as Log).throttled('error', code, { request_id: id, code }, `${message}: ${stall ?? why}`)
}

const soon = { headers: { 'retry-after': '1' } }

function ofDatabase(error: unknown, { method }: FastifyRequest): Problem | undefined {
  const failure = failureOf(error, method)
  return failure && new Problem(...failure, kinds[failure[0]].status === 503 ? soon : {})
}

/** Names the media types that the route accepts, in the sentence and in Accept-Patch or Accept-Post. */
export function unsupportedMediaType({ method, routeOptions: { schema } }: FastifyRequest): Problem {
  const patch = ['application/merge-patch+json', 'application/json']
  const { content } = (schema?.body ?? {}) as { content?: object }
  const types = method === 'PATCH' ? patch : content ? Object.keys(content) : ['application/json']
  const what = content ? 'be' : 'be JSON'
  return new Problem(
    'unsupported-media-type',
    `The body must ${what} in UTF-8, with the Content-Type ${types.join(content ? ' or ' : ', ')}.`,
    { headers: { [method === 'PATCH' ? 'accept-patch' : 'accept-post']: types.join(', ') } },
  )
}

/** The kinds of the statuses that plugins give to their errors. */
const kindsOfPlugins: Record<number, Code> = {
  401: 'unauthenticated',
  403: 'forbidden',
  429: 'too-many-requests',
  503: 'unavailable',
}

/** Converts an error of Fastify or a plugin: by `kindsOfPlugins`, else any other status below 500 becomes a 400. */
function ofFastify({ code, statusCode = 500, message }: FastifyError, request: FastifyRequest): Problem {
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE')
    return new Problem('body-too-large', `A body may have at most ${request.routeOptions.bodyLimit} bytes.`)
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return unsupportedMediaType(request)
  const kind = kindsOfPlugins[statusCode] ?? (statusCode < 500 ? 'malformed-request' : 'internal-error')
  if (kind === 'internal-error')
    return new Problem(
      kind,
      'The error is logged under the request_id. Try again; if it happens again, report the request_id to the operator.',
    )
  return new Problem(kind, `${message.replace(/\.+$/, '')}.`, kind === 'unavailable' ? soon : {})
}
