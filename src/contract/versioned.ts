import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type SqlBool, sql } from 'kysely'
import { Type } from 'typebox'
import { maxInt4 } from './json-schema.ts'
import { type EntityTags, isKnown, requireIfMatch, stale } from './preconditions.ts'
import { noSuch, type Problem } from './problems.ts'

/** A row whose writes can be conditional: the trigger `housing.next_version` counts its versions. */
export interface Versioned {
  id: number
  version: number
}

/** The members of an answered row that only the trigger sets. */
export const bookkeeping = {
  version: Type.Integer({ format: 'int32', description: 'Increases by one with each change.' }),
  created_at: Type.String({ format: 'date-time' }),
  updated_at: Type.String({ format: 'date-time' }),
}
export const exampleBookkeeping = {
  version: 3,
  created_at: '2026-11-22T18:03:11.482Z',
  updated_at: '2026-11-23T09:41:00.120Z',
}

/** The versions that a write may change: those listed, or any. */
export type Versions = number[] | 'any'

/** Names one version of one row. It is strong, because equal versions are equal byte for byte. */
export const etag = ({ id, version }: Versioned): string => `"${id}-${version}"`

/** The versions of this row that the tags name. Tags of other rows are ignored. */
export function versionsIn(tags: EntityTags, id: number): Versions {
  if (tags === '*') return 'any'
  return tags.flatMap((tag) => {
    const version = new RegExp(`^${id}-([1-9]\\d{0,9})$`).exec(tag)?.[1]
    return version !== undefined && Number(version) <= maxInt4 ? [Number(version)] : []
  })
}

/** The versions that `If-Match` allows to write. Throws the 428 where it is missing. */
export const writableVersions = (headers: IncomingHttpHeaders, id: number): Versions =>
  versionsIn(requireIfMatch(headers), id)

/** The condition of a conditional write, on the column `version`. */
export const versionIsIn = (versions: Versions) =>
  versions === 'any' ? sql<SqlBool>`true` : sql<SqlBool>`version = any (${versions}::int[])`

/** The problem of a conditional write that matched nothing: a 412 if `row`, read afterwards, exists, else a 404. */
export const unmatched = (row: Versioned | undefined, what: string, id: number): Problem =>
  row ? stale(etag(row), row.version) : noSuch(what, id)

/** Answers a row with its ETag, or 304 where `If-None-Match` names it. */
export function sendVersion<Row extends Versioned>(
  reply: FastifyReply,
  row: Row,
  headers: IncomingHttpHeaders = {},
): FastifyReply {
  reply.header('etag', etag(row))
  return isKnown(headers, etag(row)) ? reply.code(304).send() : reply.send(row)
}

/** A 201 for a new row, with its Location (the path of the route plus the id) and its ETag. */
export const created = <Row extends Versioned>({ routeOptions }: FastifyRequest, row: Row) => ({
  status: 201,
  headers: { location: `${routeOptions.url}/${row.id}`, etag: etag(row) },
  body: row,
})
