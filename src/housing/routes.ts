import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { answersOf } from '../contract/answers.ts'
import { answer, declareResource, ETag, mergePatch, one, operation, type Routes, ref } from '../contract/contract.ts'
import { IdempotencyKey } from '../contract/idempotency-key.ts'
import { IfMatch, IfNoneMatch } from '../contract/preconditions.ts'
import { noSuch } from '../contract/problems.ts'
import { created, sendVersion, unmatched, writableVersions } from '../contract/versioned.ts'
import { actingAs } from '../database/actor.ts'
import type { Database } from '../database/tables.ts'
import { overOneConnection } from '../database/transaction.ts'
import { answerOnce } from '../idempotency/idempotency.ts'
import { batchRoutes } from './batch/routes.ts'
import { batchShapes } from './batch/schemas.ts'
import type { Feed } from './changes/feed.ts'
import { changeRoutes } from './changes/routes.ts'
import { HousingChange, HousingChangePage } from './changes/schemas.ts'
import type { ExportDatabase } from './export/queries.ts'
import { exportRoutes } from './export/routes.ts'
import { findHousing, insertHousing } from './gathered.ts'
import { importKinds } from './import/problems.ts'
import { type ImportDatabase, importRoutes } from './import/routes.ts'
import { importShapes } from './import/schemas.ts'
import { sendHousingPage } from './list/page.ts'
import { isLookup } from './list/queries.ts'
import { aboutFields, HousingPage, isSearch, ListQuery } from './list/schemas.ts'
import { housingKinds, unknownHousingType } from './problems.ts'
import { deleteHousing, updateHousing } from './queries.ts'
import { AsOf, asStored, exampleHousing, Housing, HousingId, HousingInput, HousingPatch } from './schemas.ts'
import { findHousingAsOf, versionRoutes } from './versions/routes.ts'
import { HousingVersion, HousingVersionPage } from './versions/schemas.ts'

const example = exampleHousing
const answers = answersOf({ what: 'house', shape: Housing, page: HousingPage, example })
const current = answer(Housing, 'The house. It has an ETag unless `as_of` is given.', {
  example,
  headers: { ETag: Type.Optional(ETag) },
})

/** The registry itself: homes can be found, added, replaced, changed and deleted. */
export const housingRoutes: Routes<{
  database: ExportDatabase & ImportDatabase & { beside: Database }
  feed: Feed
}> = async (app, { database, feed }) => {
  const { db, beside } = database
  declareResource(app, {
    tag: { name: 'Housing', description: 'Homes.' },
    shapes: [
      Housing,
      HousingInput,
      HousingPatch,
      HousingPage,
      HousingVersion,
      HousingVersionPage,
      HousingChange,
      HousingChangePage,
      ...batchShapes,
      ...importShapes,
    ],
    kinds: { ...housingKinds, ...importKinds },
  })

  app.get(
    '',
    operation('listHousing', 'The houses that match all filters', {
      ...answers.page,
      description: `${answers.page.description} ${aboutFields}`,
      config: {
        isSlow: ({ query }) => isSearch(query as object),
        isShared: ({ query }) => isLookup(query as ListQuery),
      },
      querystring: ListQuery,
    }),
    async ({ query }, reply) => sendHousingPage(db, query, reply),
  )

  app.post(
    '',
    operation('createHousing', 'Add a house', {
      ...answers.created(),
      headers: IdempotencyKey,
      body: ref(HousingInput),
    }),
    (request, reply) =>
      answerOnce(db, request, reply, async (db) => {
        const house = await insertHousing(db, asStored(request.body)).catch(unknownHousingType(request.body))
        return created(request, house)
      }),
  )

  app.get(
    one,
    operation('getHousing', 'One house', {
      ...answers.found,
      params: HousingId,
      querystring: AsOf,
      headers: IfNoneMatch,
      config: { isShared: ({ query }) => !('as_of' in (query as object)) },
      description: `${answers.found.description} With \`as_of\` it is answered as it was then, without an ETag.`,
      response: { ...answers.found.response, 200: current },
    }),
    async ({ params: { id }, query: { as_of }, headers }, reply) => {
      if (as_of !== undefined)
        return reply.header('cache-control', 'no-store').send(await findHousingAsOf(beside, id, as_of))
      const house = await findHousing(db, id)
      if (!house) throw noSuch('house', id)
      return sendVersion(reply, house, headers)
    },
  )

  app.put(
    one,
    operation('replaceHousing', 'Replace a house', {
      ...answers.changed(),
      params: HousingId,
      headers: IfMatch,
      body: ref(HousingInput),
    }),
    (request, reply) => change(db, request, reply),
  )

  app.patch(
    one,
    operation('patchHousing', 'Change some members of a house', {
      ...answers.changed(),
      params: HousingId,
      headers: IfMatch,
      body: ref(HousingPatch),
      consumes: mergePatch,
    }),
    (request, reply) => change(db, request, reply),
  )

  app.delete(
    one,
    operation('deleteHousing', 'Delete a house', {
      ...answers.deleted(),
      params: HousingId,
      headers: IfMatch,
    }),
    async ({ params: { id }, headers, caller }, reply) => {
      const versions = writableVersions(headers, id)
      await overOneConnection(actingAs(db, caller), async (db) => {
        if (!(await deleteHousing(db, id, versions))) throw unmatched(await findHousing(db, id), 'house', id)
      })
      return reply.code(204).send()
    },
  )

  await app.register(versionRoutes, { db, beside })
  await app.register(batchRoutes, { db })
  await app.register(exportRoutes, { database, feed })
  await app.register(importRoutes, { database })
  await app.register(changeRoutes, { feed })
}

type Change = Pick<
  FastifyRequest<{ Params: { id: number }; Body: HousingPatch }>,
  'params' | 'headers' | 'body' | 'caller'
>

/** Changes the given members of a version that `If-Match` names, and answers the house as it is then. */
async function change(db: Database, { params: { id }, headers, body, caller }: Change, reply: FastifyReply) {
  const versions = writableVersions(headers, id)
  const house = await overOneConnection(actingAs(db, caller), async (db) => {
    const house = await updateHousing(db, id, versions, asStored(body)).catch(unknownHousingType(body))
    if (!house) throw unmatched(await findHousing(db, id), 'house', id)
    return house
  })
  return sendVersion(reply, house)
}
