import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyContextConfig, FastifyInstance, FastifySchema } from 'fastify'
import { type Static, type TSchema, type TUnsafe, Type } from 'typebox'
import type { Scope } from '../config/access-settings.ts'
import type { Database } from '../database/tables.ts'
import { maxInt4 } from './json-schema.ts'
import type { Kind } from './problem-kinds.ts'
import { ProblemDocument } from './problems.ts'

/** A resource's plugin: its routes, and all that they depend on. */
export type Routes<Dependencies extends object = { db: Database }> = FastifyPluginAsyncTypebox<Dependencies>

interface Tag {
  name: string
  description: string
}

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * What the resources have declared: the tags of the contract, the groups of the page at `/docs` that are paths rather
     * than a tag, and the problems that `/problems/{code}` explains.
     */
    declared: { tags: Tag[]; groups: (Tag & { prefix: string })[]; kinds: Map<string, Kind> }
  }
}

interface Declaration {
  /** Groups the resource's routes in the documentation. */
  tag: Tag
  /** The shapes that the contract names, and that `ref` refers to. */
  shapes: TSchema[]
  /** The problems that only this resource has. */
  kinds?: Record<string, Kind>
}

/** Declares what a resource adds to the contract besides its routes. Call it before adding routes. */
export function declareResource(app: FastifyInstance, { tag, shapes, kinds = {} }: Declaration): void {
  for (const shape of shapes) app.addSchema(shape)
  app.declared.tags.push(tag)
  for (const kind of Object.values(kinds)) app.declared.kinds.set(kind.code, kind)
  app.addHook('onRoute', (route) => {
    const { response, ...schema } = route.schema ?? {}
    const { 403: lacking, ...others } = accessFailures
    const reads = route.method === 'GET' || route.method === 'HEAD'
    const denied = describedProblems({ ...others, 403: reads ? lacking : `${lacking} ${crossSite}` })
    route.schema = { tags: [tag.name], ...schema, response: { ...denied, ...(response as object) } }
  })
}

/** Operations that can follow an answer, by the status of the answer and a name (OpenAPI's Link Objects). */
export type Links = Record<number, Record<string, { operationId: string; parameters: Record<string, string> }>>

interface Operation extends FastifySchema {
  description: string
  /** What a caller needs. */
  scope: Scope
  links?: Links
  config?: FastifyContextConfig
}

/** What the contract says of one route. The id is the name of the function in generated clients. */
export const operation = <const Described extends Operation>(
  operationId: string,
  summary: string,
  { scope, config, ...schema }: Described,
) => ({
  schema: { operationId, summary, ...schema },
  config: { ...config, scope },
  ...(schema.links && { links: schema.links }),
})

/**
 * The media type of a PATCH (RFC 7396), for `consumes`. The server also accepts application/json, which the shape's
 * description says: a list of two media types breaks generated Python clients.
 */
export const mergePatch = ['application/merge-patch+json']

/** A reference to a named schema of the contract; keeps its TypeScript type. */
export const ref = <T extends TSchema & { $id?: string }>(schema: T): TUnsafe<Static<T>> =>
  Type.Unsafe<Static<T>>(Type.Ref(schema.$id as string))

/** A whole number from 1 that fits into an `integer` of Postgres, as ids and versions do. */
export const PositiveInteger = (description: string, example: number) =>
  Type.Integer({ format: 'int32', minimum: 1, maximum: maxInt4, description, examples: [example] })

/** The path of one row, by its numeric id; any other segment matches no route. */
export const one = '/:id(^\\d+$)'

/** What a successful answer is: its shape, an example of it, and the headers that come with it. */
export const answer = <T extends TSchema & { $id?: string }>(
  schema: T,
  description: string,
  { example, headers = {} }: { example: unknown; headers?: Record<string, TSchema> },
) =>
  ({
    description,
    headers,
    content: { 'application/json': { schema: schema.$id ? ref(schema) : schema, example } },
  }) as unknown as TUnsafe<Static<T>> // the type of the body, which the handler returns

/**
 * An answer that is a file: an example for each of its media types. Most generated clients take the type of the first,
 * and those in Java and Rust can read a file only as bytes: so text comes last.
 */
export const file = (description: string, examples: Record<string, string>, headers: Record<string, TSchema> = {}) =>
  ({ description, headers, content: filesLike(examples) }) as unknown as TUnsafe<unknown>

/** The same answer, or a file. */
export const orFile = <T>(answer: TUnsafe<T>, examples: Record<string, string>) => {
  const { content, ...rest } = answer as unknown as { content: object }
  return { ...rest, content: { ...content, ...filesLike(examples) } } as unknown as TUnsafe<T>
}

const filesLike = (examples: Record<string, string>) =>
  Object.fromEntries(Object.entries(examples).map(([type, example]) => [type, { schema: fileOf(type), example }]))

/** Text only if the media type says so: generated clients read anything else as JSON, or not at all. */
const fileOf = (type: string) => Type.String(type.startsWith('text/') ? {} : { format: 'binary' })

/** An answer without a body. */
export const noContent = (description: string, headers: Record<string, TSchema> = {}) =>
  Type.Null({ description, headers }) as unknown as TUnsafe<undefined>

/** Failures that every route can answer. */
const always = {
  400: 'The request is malformed, or a parameter is invalid.',
  406: 'The client does not accept JSON.',
  408: 'The request took too long to arrive.',
  414: 'The URL is too long.',
  421: 'The service does not answer to this host.',
  431: 'The headers are too large.',
  500: 'The server failed. The error is logged under the `request_id`.',
  503: 'The database, or the issuer of tokens, is not available at the moment.',
  504: 'The database took too long.',
}

/** Failures of the routes that need a scope, in both versions. */
export const accessFailures = {
  401: 'The service asks for credentials, and the request has none that are valid.',
  403: 'The credentials lack the scope.',
  429: 'The caller has sent more than its limit allows.',
}

/** The other 403, of every route that changes something. */
const crossSite = 'Or a browser sent the request from a page of another site, whose origin is not allowed.'

/** Why any write may be rejected: an operator may add constraints and triggers. */
export const constraintForbids = 'A constraint or a trigger that the operator added to the database forbids it.'

/** The failures of every route that has a body. */
export const bodyFailures = { 413: 'The body is too large.', 415: 'The body is not JSON.', 422: 'The body is invalid.' }

/** The failing answers of a route: those of every route, and `reasons`, its own by status. */
export const failures = <S extends number = never>(reasons = {} as Record<S, string>) =>
  describedProblems({ ...always, ...reasons }) as { [status in S | keyof typeof always]: TUnsafe<ProblemDocument> }

const describedProblems = (reasons: Record<number, string>) =>
  Object.fromEntries(
    Object.entries(reasons).map(([status, why]) => [status, problem(Number(status), why)]),
  ) as unknown as Record<number, TUnsafe<ProblemDocument>>

const problem = (status: number, description: string) => ({
  description,
  ...(headersOf[status] && { headers: headersOf[status] }),
  content: { 'application/problem+json': { schema: ref(ProblemDocument) } },
})

export const RetryAfter = Type.Optional(
  Type.Integer({ format: 'int32', description: 'Seconds to wait before trying again.' }),
)
const MediaTypes = Type.Optional(Type.String({ description: 'The media types that this path accepts.' }))

const WWWAuthenticate = Type.Optional(
  Type.String({ description: 'How to authenticate, and what the credentials lack (RFC 6750).' }),
)

/** The headers that come with a problem of some statuses. */
const headersOf: Record<number, Record<string, TSchema>> = {
  401: { 'WWW-Authenticate': WWWAuthenticate },
  403: { 'WWW-Authenticate': WWWAuthenticate },
  412: { ETag: Type.Optional(Type.String({ description: 'The current version of the resource.' })) },
  415: { 'Accept-Post': MediaTypes, 'Accept-Patch': MediaTypes },
  429: {
    'Retry-After': RetryAfter,
    'RateLimit-Policy': Type.Optional(Type.String({ description: 'The limit: a quota, and its window in seconds.' })),
    RateLimit: Type.Optional(Type.String({ description: 'What is left of it, and the seconds until it is whole.' })),
  },
  503: { 'Retry-After': RetryAfter },
}

/** Headers of answers, as the contract describes them. */
export const ETag = Type.String({ description: 'Names this version of the resource, for If-Match and If-None-Match.' })
export const Location = Type.String({ format: 'uri-reference', description: 'The URL of the new resource.' })
export const Link = Type.String({
  description: 'Links to the first page and, if there is one, to the next (RFC 8288).',
})
