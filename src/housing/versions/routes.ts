import { Type } from 'typebox'
import { answer, ETag, failures, Link, type Routes } from '../../contract/contract.ts'
import { decodeCursor, encodeCursor, link, wrongCursor } from '../../contract/paging.ts'
import { IfMatchIfThere, missingIfMatch, readIfMatch, stale, type Tags } from '../../contract/preconditions.ts'
import { Problem } from '../../contract/problems.ts'
import { onViolation } from '../../database/errors.ts'
import type { Database } from '../../database/tables.ts'
import { inTransaction } from '../../database/transaction.ts'
import { checker } from '../../http/validation.ts'
import { answerOnce, IdempotencyKey, IdempotencyReplayed, keyFailures } from '../../idempotency/idempotency.ts'
import { etag, versionsIn } from '../etag.ts'
import { findHousing, updateHousing } from '../queries.ts'
import { exampleHousing, Housing, HousingId, type HousingInput, writable } from '../schemas.ts'
import { findVersion, findVersions, houseOf, markAsRestoring, undeleteHousing, type VersionRow } from './queries.ts'
import { exampleVersion, HousingVersionId, HousingVersionPage, VersionsQuery } from './schemas.ts'

const tags = ['Housing']

/** What was, and how to have it back. */
export const versionRoutes: Routes = async (app, { db }) => {
  app.addSchema(HousingVersionPage)

  app.get(
    '/:id(^\\d+$)/versions',
    {
      schema: {
        tags,
        operationId: 'listHousingVersions',
        summary: 'The history of a house, newest first, also of a deleted one',
        params: HousingId,
        querystring: VersionsQuery,
        response: {
          200: answer(HousingVersionPage, 'A page of it.', {
            example: { items: [exampleVersion], next: null },
            headers: { Link },
          }),
          ...failures({ 404: 'No house ever had this id.' }),
        },
      },
    },
    async ({ params: { id }, query: { cursor, limit = 100 } }, reply) => {
      const before = positionIn(cursor, id)
      // One more tells whether there is a next page, and what the last one changed.
      const rows = await findVersions(db, id, { limit: limit + 1, ...(before !== undefined && { before }) })
      if (rows.length === 0 && before === undefined) throw neverThere(id)
      const items = rows.slice(0, limit).map((row, i) => asVersion(row, rows[i + 1]))
      const last = rows.length > limit ? items.at(-1) : undefined
      const next = last ? encodeCursor({ id, before: last.version }) : null
      return reply
        .header('link', link(`/api/v2/housing/${id}/versions`, { limit }, next ? { cursor: next, limit } : undefined))
        .send({ items, next })
    },
  )

  app.post(
    '/:id(^\\d+$)/versions/:version/restore',
    {
      schema: {
        tags,
        operationId: 'restoreHousing',
        summary: 'Bring back what a version held, as a new version; also a deleted house',
        params: HousingVersionId,
        headers: Type.Object({ ...IfMatchIfThere.properties, ...IdempotencyKey.properties }),
        response: {
          200: answer(Housing, 'The house as it is now.', {
            example: exampleHousing,
            headers: { ETag, 'Idempotency-Replayed': IdempotencyReplayed },
          }),
          ...failures({
            404: 'No house ever had this id, or it never had this version.',
            409: `The version is a deletion, or its housing type is gone. ${keyFailures[409]}`,
            412: 'The house is in another version than If-Match names.',
            413: 'The body is too large.',
            415: 'There is a body, and it is no JSON.',
            422: 'The Idempotency-Key belongs to another request.',
            428: 'If-Match is missing, and the house is not deleted.',
          }),
        },
      },
    },
    (request, reply) =>
      answerOnce(db, request, reply, (db) =>
        inTransaction(db, async (tx) => {
          const { id, version } = request.params
          const seen = readIfMatch(request.headers)
          const house = await restore(tx, await restorable(tx, id, version), seen)
          return { status: 200, headers: { etag: etag(house) }, body: house }
        }),
      ),
  )
}

/** Where a page of a house's history ended. */
const isPosition = checker(
  Type.Object(
    { id: Type.Integer(), before: Type.Integer({ minimum: 1, maximum: 2147483647 }) },
    { additionalProperties: false },
  ),
)

/** The version before which the page begins, if not at the newest. */
function positionIn(cursor: string | undefined, id: number): number | undefined {
  if (cursor === undefined) return undefined
  const position = decodeCursor(cursor, isPosition)
  if (position.id !== id) throw wrongCursor('belongs to the history of another house: leave it out.')
  return position.before
}

/** An entry as it is answered; `previous` is the entry before it, if there is one. */
function asVersion(row: VersionRow, previous: VersionRow | undefined) {
  const { version, at, by, operation } = row
  const changed = operation === 'deleted' ? [] : writable.filter((member) => row[member] !== previous?.[member])
  return { version, at, by, operation, changed, house: houseOf(row) }
}

async function restorable(tx: Database, id: number, version: number): Promise<VersionRow> {
  const row = await findVersion(tx, id, version)
  if (!row) throw new Problem('not-found', `No house with the id ${id} ever had a version ${version}.`)
  if (row.operation === 'deleted')
    throw new Problem('not-restorable', `Version ${version} is a deletion. Restore the one before it.`)
  return row
}

/** Undeletes the house, or changes what is there if it is in the version that `If-Match` names. */
async function restore(tx: Database, row: VersionRow, seen: Tags | undefined) {
  await markAsRestoring(tx)
  const { id, housing_type } = row
  const typeIsGone = onViolation(
    'fk_housing_type',
    () => new Problem('not-restorable', `Its housing type, ${housing_type}, does not exist any more.`),
  )
  const current = await findHousing(tx, id)
  const undeleted = current ? undefined : await undeleteHousing(tx, id, asInput(row)).catch(typeIsGone)
  if (undeleted) return undeleted
  if (!seen) throw missingIfMatch()
  const house = await updateHousing(tx, id, versionsIn(seen, id), asInput(row)).catch(typeIsGone)
  if (house) return house
  const now = await findHousing(tx, id)
  throw now ? stale(etag(now), now.version) : new Problem('not-found', `No house has the id ${id}.`)
}

/** The members that a client could send to make the house what it was. */
const asInput = (row: VersionRow) => Object.fromEntries(writable.map((member) => [member, row[member]])) as HousingInput

const neverThere = (id: number) => new Problem('not-found', `No house ever had the id ${id}.`)
