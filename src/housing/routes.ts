import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import { Type } from 'typebox'
import {
  answer,
  bodyFailures,
  declareResource,
  ETag,
  failures,
  Link,
  Location,
  noContent,
  one,
  operation,
  preconditionFailures,
  type Routes,
  ref,
} from '../contract/contract.ts'
import { IfMatch, IfNoneMatch } from '../contract/preconditions.ts'
import { noSuch } from '../contract/problems.ts'
import { etag, sendVersion, unmatched, writableVersions } from '../contract/versioned.ts'
import type { Database } from '../database/tables.ts'
import { answerOnce, IdempotencyKey, IdempotencyReplayed, keyFailures } from '../idempotency/idempotency.ts'
import { batchRoutes } from './batch/routes.ts'
import { batchShapes } from './batch/schemas.ts'
import { findHousing, insertHousing } from './gathered.ts'
import { readPage } from './list/page.ts'
import { HousingPage, ListQuery } from './list/schemas.ts'
import { housingKinds, unknownHousingType } from './problems.ts'
import { deleteHousing, updateHousing } from './queries.ts'
import { AsOf, asStored, exampleHousing, Housing, HousingId, HousingInput, HousingPatch } from './schemas.ts'
import { findHousingAsOf, versionRoutes } from './versions/routes.ts'
import { HousingVersionPage } from './versions/schemas.ts'

const example = exampleHousing
const missing = { 404: 'No house has this id.' }
const changed = {
  200: answer(Housing, 'The house as it is now.', { example, headers: { ETag } }),
  ...failures({ ...bodyFailures, ...preconditionFailures('house') }),
}

/** The registry itself: homes can be found, added, replaced, changed and deleted. */
export const housingRoutes: Routes = async (app, { db }) => {
  declareResource(app, {
    tag: { name: 'Housing', description: 'Homes.' },
    shapes: [Housing, HousingInput, HousingPatch, HousingPage, HousingVersionPage, ...batchShapes],
    kinds: housingKinds,
  })

  app.get(
    '',
    operation('listHousing', 'The houses that match all filters', {
      querystring: ListQuery,
      response: {
        200: answer(HousingPage, 'A page of them.', { example: { items: [example], next: null }, headers: { Link } }),
        ...failures(),
      },
    }),
    async ({ query, routeOptions }, reply) => {
      const { page, links } = await readPage(db, routeOptions.url ?? '', query)
      return reply.header('link', links).send(page)
    },
  )

  app.post(
    '',
    operation('createHousing', 'Add a house', {
      headers: IdempotencyKey,
      body: ref(HousingInput),
      response: {
        201: answer(Housing, 'The new house.', {
          example,
          headers: { ETag, Location, 'Idempotency-Replayed': IdempotencyReplayed },
        }),
        ...failures({ ...bodyFailures, ...keyFailures }),
      },
    }),
    (request, reply) =>
      answerOnce(db, request, reply, async (db) => {
        const house = await insertHousing(db, asStored(request.body)).catch(unknownHousingType(request.body))
        const headers = { location: `/api/v2/housing/${house.id}`, etag: etag(house) }
        return { status: 201, headers, body: house }
      }),
  )

  app.get(
    one,
    operation('getHousing', 'One house', {
      params: HousingId,
      querystring: AsOf,
      headers: IfNoneMatch,
      response: {
        200: answer(Housing, 'The house. An ETag comes with the current one only.', {
          example,
          headers: { ETag: Type.Optional(ETag) },
        }),
        304: noContent('The client has it already.', { ETag }),
        ...failures(missing),
      },
    }),
    async ({ params: { id }, query: { as_of }, headers }, reply) => {
      if (as_of !== undefined)
        return reply.header('cache-control', 'no-store').send(await findHousingAsOf(db, id, as_of))
      const house = await findHousing(db, id)
      if (!house) throw noSuch('house', id)
      return sendVersion(reply, house, headers)
    },
  )

  app.put(
    one,
    operation('replaceHousing', 'Replace a house', {
      params: HousingId,
      headers: IfMatch,
      body: ref(HousingInput),
      response: changed,
    }),
    (request, reply) => change(db, request, reply),
  )

  app.patch(
    one,
    operation('patchHousing', 'Change some members of a house', {
      params: HousingId,
      headers: IfMatch,
      body: ref(HousingPatch),
      consumes: ['application/merge-patch+json', 'application/json'],
      response: changed,
    }),
    (request, reply) => change(db, request, reply),
  )

  app.delete(
    one,
    operation('deleteHousing', 'Delete a house', {
      params: HousingId,
      headers: IfMatch,
      response: { 204: noContent('It is deleted.'), ...failures(preconditionFailures('house')) },
    }),
    async ({ params: { id }, headers }, reply) => {
      const deleted = await deleteHousing(db, id, writableVersions(headers, id))
      if (!deleted) throw unmatched(await findHousing(db, id), 'house', id)
      return reply.code(204).send()
    },
  )

  await app.register(versionRoutes, { db })
  await app.register(batchRoutes, { db })
}

interface Change {
  params: { id: number }
  headers: IncomingHttpHeaders
  body: HousingPatch
}

/** Changes the given members of a version that `If-Match` names, and answers the house as it is then. */
async function change(db: Database, { params: { id }, headers, body }: Change, reply: FastifyReply) {
  const versions = writableVersions(headers, id)
  const house = await updateHousing(db, id, versions, asStored(body)).catch(unknownHousingType(body))
  if (!house) throw unmatched(await findHousing(db, id), 'house', id)
  return sendVersion(reply, house)
}
