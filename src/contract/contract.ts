import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { type Static, type TSchema, type TUnsafe, Type } from 'typebox'
import type { Database } from '../database/tables.ts'
import { ProblemDocument } from './problems.ts'

/** A resource's plugin: its routes, and everything they depend on. */
export type Routes = FastifyPluginAsyncTypebox<{ db: Database }>

/** A component of the contract, by name, with its type. */
export const ref = <T extends TSchema & { $id?: string }>(schema: T): TUnsafe<Static<T>> =>
  Type.Unsafe<Static<T>>(Type.Ref(schema.$id as string))

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
  }) as unknown as TUnsafe<Static<T>> // as the type of the body, which the handler returns

/** An answer without a body. */
export const noContent = (description: string, headers: Record<string, TSchema> = {}) =>
  Type.Null({ description, headers }) as unknown as TUnsafe<undefined>

/** What every route can answer: the request's own faults, and ours. */
const always = {
  400: 'The request cannot be read, or a parameter is wrong.',
  406: 'The client takes no JSON.',
  408: 'The request took too long to arrive.',
  414: 'The URL is too long.',
  431: 'The headers are too large.',
  503: 'The database cannot be reached at the moment.',
  504: 'The database took too long.',
}

/** The problems that a route can answer: its own, each with its reason there, and those of every route. */
export const failures = <S extends number = never>(reasons = {} as Record<S, string>) =>
  Object.fromEntries(
    Object.entries({ ...always, ...reasons }).map(([status, why]) => [status, problem(Number(status), String(why))]),
  ) as unknown as { [status in S | keyof typeof always]: TUnsafe<ProblemDocument> }

const problem = (status: number, description: string) => ({
  description,
  ...(headersOf[status] && { headers: headersOf[status] }),
  content: { 'application/problem+json': { schema: ref(ProblemDocument) } },
})

const RetryAfter = Type.Optional(Type.Integer({ description: 'After how many seconds to try again.' }))

/** What comes with a problem of some statuses, where it can be told. */
const headersOf: Record<number, Record<string, TSchema>> = {
  409: { 'Retry-After': RetryAfter },
  412: { ETag: Type.Optional(Type.String({ description: 'The present version of the resource.' })) },
  415: {
    'Accept-Post': Type.Optional(Type.String({ description: 'The media types that would be right.' })),
    'Accept-Patch': Type.Optional(Type.String({ description: 'The media types that would be right.' })),
  },
  503: { 'Retry-After': RetryAfter },
}

/** Headers of answers, as the contract describes them. */
export const ETag = Type.String({ description: 'Names this version of the resource, for If-Match and If-None-Match.' })
export const Location = Type.String({ format: 'uri-reference', description: 'Where the new resource is.' })
export const Link = Type.String({ description: 'The first page, and the next one where there is one (RFC 8288).' })
