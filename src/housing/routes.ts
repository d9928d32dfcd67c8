import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { answer, ETag, failures, Link, Location, noContent, type Routes, ref } from '../contract/contract.ts'
import { IfMatch, IfNoneMatch, isKnown, requireIfMatch, stale } from '../contract/preconditions.ts'
import { Problem, wrongParameter } from '../contract/problems.ts'
import type { Database } from '../database/tables.ts'
import { answerOnce, IdempotencyKey, IdempotencyReplayed, keyFailures } from '../idempotency/idempotency.ts'
import { batchRoutes } from './batch/routes.ts'
import { etag, versionsIn } from './etag.ts'
import { findHousing, insertHousing } from './gathered.ts'
import { readPage } from './list/page.ts'
import { HousingPage, ListQuery } from './list/schemas.ts'
import { deleteHousing, updateHousing } from './queries.ts'
import { AsOf, asStored, exampleHousing, Housing, HousingId, HousingInput, HousingPatch } from './schemas.ts'
import { unknownHousingType } from './unknown-housing-type.ts'
import { findVersionAt, houseOf, isAhead } from './versions/queries.ts'
import { versionRoutes } from './versions/routes.ts'

const tags = ['Housing']
const example = exampleHousing
const wrongBody = { 413: 'The body is too large.', 415: 'The body is no JSON.', 422: 'The body is wrong.' }
const missing = { 404: 'No house has this id.' }
const preconditions = {
  ...missing,
  412: 'The house is in another version than If-Match names.',
  428: 'If-Match is missing.',
}

/** What both ways to change a house answer. */
const changed = {
  200: answer(Housing, 'The house as it is now.', { example, headers: { ETag } }),
  ...failures({ ...wrongBody, ...preconditions }),
}

export const housingRoutes: Routes = async (app, { db }) => {
  for (const shape of [Housing, HousingPage, HousingPatch, HousingInput]) app.addSchema(shape)
  await app.register(versionRoutes, { db })
  await app.register(batchRoutes, { db })

  app.get(
    '',
    {
      schema: {
        tags,
        operationId: 'listHousing',
        summary: 'The houses that match all filters',
        querystring: ListQuery,
        response: {
          200: answer(HousingPage, 'A page of them.', { example: { items: [example], next: null }, headers: { Link } }),
          ...failures(),
        },
      },
    },
    async ({ query, routeOptions }, reply) => {
      const { page, links } = await readPage(db, routeOptions.url ?? '', query)
      return reply.header('link', links).send(page)
    },
  )

  app.post(
    '',
    {
      schema: {
        tags,
        operationId: 'createHousing',
        summary: 'Add a house',
        headers: IdempotencyKey,
        body: ref(HousingInput),
        response: {
          201: answer(Housing, 'The new house.', {
            example,
            headers: { ETag, Location, 'Idempotency-Replayed': IdempotencyReplayed },
          }),
          ...failures({ ...wrongBody, ...keyFailures }),
        },
      },
    },
    (request, reply) =>
      answerOnce(db, request, reply, async (db) => {
        const house = await insertHousing(db, asStored(request.body)).catch(unknownHousingType(request.body))
        const headers = { location: `/api/v2/housing/${house.id}`, etag: etag(house) }
        return { status: 201, headers, body: house }
      }),
  )

  app.get(
    '/:id(^\\d+$)',
    {
      schema: {
        tags,
        operationId: 'getHousing',
        summary: 'One house',
        params: HousingId,
        querystring: AsOf,
        headers: IfNoneMatch,
        response: {
          200: answer(Housing, 'The house; with an ETag where it is the present one.', {
            example,
            headers: { ETag: Type.Optional(ETag) },
          }),
          304: noContent('The client has it already.', { ETag }),
          ...failures(missing),
        },
      },
    },
    async ({ params: { id }, query: { as_of }, headers }, reply) => {
      if (as_of !== undefined)
        return reply.header('cache-control', 'no-store').send(await findHousingAsOf(db, id, as_of))
      const house = await findHousing(db, id)
      if (!house) throw notFound(id)
      reply.header('etag', etag(house))
      return isKnown(headers, etag(house)) ? reply.code(304).send() : reply.send(house)
    },
  )

  app.put(
    '/:id(^\\d+$)',
    {
      schema: {
        tags,
        operationId: 'replaceHousing',
        summary: 'Replace a house',
        params: HousingId,
        headers: IfMatch,
        body: ref(HousingInput),
        response: changed,
      },
    },
    (request, reply) => change(db, request, reply),
  )

  app.patch(
    '/:id(^\\d+$)',
    {
      schema: {
        tags,
        operationId: 'patchHousing',
        summary: 'Change some members of a house',
        params: HousingId,
        headers: IfMatch,
        body: ref(HousingPatch),
        consumes: ['application/merge-patch+json', 'application/json'],
        response: changed,
      },
    },
    (request, reply) => change(db, request, reply),
  )

  app.delete(
    '/:id(^\\d+$)',
    {
      schema: {
        tags,
        operationId: 'deleteHousing',
        summary: 'Delete a house',
        params: HousingId,
        headers: IfMatch,
        response: { 204: noContent('It is deleted.'), ...failures(preconditions) },
      },
    },
    async ({ params: { id }, headers }, reply) => {
      const deleted = await deleteHousing(db, id, versionsIn(requireIfMatch(headers), id))
      if (!deleted) throw await unmatched(db, id)
      return reply.code(204).send()
    },
  )
}

/** The house as it stood at that instant. */
async function findHousingAsOf(db: Database, id: number, instant: string) {
  if (await isAhead(db, instant))
    throw wrongParameter('as_of', 'future', 'is in the future, of which nothing is known yet.')
  const version = await findVersionAt(db, id, instant)
  if (!version || version.operation === 'deleted')
    throw new Problem('not-found', `There was no house with the id ${id} at ${instant}.`)
  return houseOf(version)
}

/** Changes the given members in the version that `If-Match` names, and answers the house as it is then. */
async function change(
  db: Database,
  { params: { id }, headers, body }: { params: { id: number }; headers: IncomingHttpHeaders; body: HousingPatch },
  reply: FastifyReply,
) {
  const versions = versionsIn(requireIfMatch(headers), id)
  const house = await updateHousing(db, id, versions, asStored(body)).catch(unknownHousingType(body))
  if (!house) throw await unmatched(db, id)
  return reply.header('etag', etag(house)).send(house)
}

/** Why a conditional write found nothing to change. */
async function unmatched(db: Database, id: number): Promise<Problem> {
  const house = await findHousing(db, id)
  return house ? stale(etag(house), house.version) : notFound(id)
}

const notFound = (id: number) => new Problem('not-found', `No house has the id ${id}.`)
