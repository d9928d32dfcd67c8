import { type Static, Type } from 'typebox'
import { answer, ETag, failures, Link, one, operation, type Routes } from '../../contract/contract.ts'
import { IdempotencyKey, IdempotencyReplayed, keyedFailures, keyFailures } from '../../contract/idempotency-key.ts'
import { checker, maxInt4 } from '../../contract/json-schema.ts'
import { decodeCursor, invalidCursor, pageOf, sendPage } from '../../contract/paging.ts'
import { type EntityTags, IfMatchIfThere, missingIfMatch, readIfMatch } from '../../contract/preconditions.ts'
import { invalidParameter, Problem } from '../../contract/problems.ts'
import { etag, unmatched, versionsIn } from '../../contract/versioned.ts'
import { onViolation } from '../../database/errors.ts'
import type { Database } from '../../database/tables.ts'
import { inTransaction, overOneConnection } from '../../database/transaction.ts'
import { answerOnce } from '../../idempotency/idempotency.ts'
import { housingKinds } from '../problems.ts'
import { findHousing, updateHousing } from '../queries.ts'
import { exampleHousing, Housing, HousingId, type HousingInput, writableMembers } from '../schemas.ts'
import {
  findVersion,
  findVersionAt,
  findVersions,
  houseOf,
  isAhead,
  markAsRestoring,
  undeleteHousing,
  type VersionRow,
} from './queries.ts'
import { exampleVersion, HousingVersionId, HousingVersionPage, VersionsQuery } from './schemas.ts'

/** The history of a house, and restoring a version of it. */
export const versionRoutes: Routes<{ db: Database; beside: Database }> = async (app, { db, beside }) => {
  app.get(
    `${one}/versions`,
    operation('listHousingVersions', 'The history of a house', {
      scope: 'housing:read',
      description: 'Newest first, page by page; also of a deleted house. Changes by SQL are in it too.',
      links: {
        200: {
          restoreHousing: {
            operationId: 'restoreHousing',
            parameters: { id: '$request.path.id', version: '$response.body#/items/0/version' },
          },
        },
      },
      params: HousingId,
      querystring: VersionsQuery,
      response: {
        200: answer(HousingVersionPage, 'One page of the history.', {
          example: { items: [exampleVersion], next: null },
          headers: { Link },
        }),
        ...failures({ 404: 'No house ever had this id.' }),
      },
    }),
    async ({ params: { id }, query: { cursor, limit = 100 } }, reply) => {
      const before = positionIn(cursor, id)
      // One more than the limit: it shows whether there is a next page, and is the predecessor of the last item.
      const rows = await findVersions(beside, id, { limit: limit + 1, ...(before !== undefined && { before }) })
      if (rows.length === 0 && before === undefined) throw new Problem('not-found', `No house ever had the id ${id}.`)
      const { items, next } = pageOf(rows, limit, ({ version }) => ({ id, before: version }))
      const page = { items: items.map((row, i) => asVersion(row, rows[i + 1])), next }
      return sendPage(reply, page, { repeated: { limit } })
    },
  )

  app.post(
    `${one}/versions/:version/restore`,
    operation('restoreHousing', 'Restore an earlier version of a house', {
      scope: 'housing:write',
      description:
        'Makes it the newest version, under the usual `If-Match`; or brings back a deleted house, for which `If-Match` is not needed. Can be repeated safely with an `Idempotency-Key`.',
      params: HousingVersionId,
      headers: Type.Object({ ...IfMatchIfThere.properties, ...IdempotencyKey.properties }),
      response: {
        200: answer(Housing, 'The house as it is now.', {
          example: exampleHousing,
          headers: { ETag, 'Idempotency-Replayed': IdempotencyReplayed },
        }),
        ...keyedFailures({
          404: 'No house ever had this id, or it never had this version.',
          409: `The version is a deletion, or its housing type no longer exists; the problem has the current version. ${keyFailures[409]}`,
          412: 'The house is not in the version that If-Match names.',
          413: 'The body is too large.',
          415: 'The request has a body that is not JSON.',
          422: 'The Idempotency-Key belongs to another request.',
          428: 'If-Match is missing, and the house is not deleted.',
        }),
      },
    }),
    (request, reply) =>
      answerOnce(db, request, reply, (db) =>
        inTransaction(db, async (tx) => {
          const house = await restore(tx, request.params, readIfMatch(request.headers))
          return { status: 200, headers: { etag: etag(house) }, body: house }
        }),
      ),
  )
}

/** The house as it stood at that instant. */
export async function findHousingAsOf(db: Database, id: number, instant: string) {
  const version = await overOneConnection(db, async (db) => {
    if (await isAhead(db, instant)) throw invalidParameter('as_of', 'future', 'must not be in the future.')
    return findVersionAt(db, id, instant)
  })
  if (!version || version.operation === 'deleted')
    throw new Problem('not-found', `There was no house with the id ${id} at ${instant}.`)
  return houseOf(version)
}

/** Where a page of the history of a house ended. */
const isPosition = checker(
  Type.Object(
    { id: Type.Integer(), before: Type.Integer({ minimum: 1, maximum: maxInt4 }) },
    { additionalProperties: false },
  ),
)

/** The version before which the page begins, if not at the newest. */
function positionIn(cursor: string | undefined, id: number): number | undefined {
  const position = decodeCursor(cursor, isPosition)
  if (position && position.id !== id)
    throw invalidCursor('belongs to the history of another house: omit it to start at the newest version.')
  return position?.before
}

/** An entry as it is answered; `previous` is the entry before it, if there is one. */
function asVersion(row: VersionRow, previous: VersionRow | undefined) {
  const { version, at, by, operation } = row
  const changed = operation === 'deleted' ? [] : writableMembers.filter((member) => row[member] !== previous?.[member])
  return { version, at, by, operation, changed, house: houseOf(row) }
}

/**
 * Brings the house back if it is deleted (`If-Match` is then ignored); otherwise changes it under `If-Match`. The newest
 * version is read first, as Postgres answers nothing more in the transaction after a violation.
 */
async function restore(
  tx: Database,
  { id, version }: Static<typeof HousingVersionId>,
  ifMatch: EntityTags | undefined,
) {
  const [newest] = await findVersions(tx, id, { limit: 1 })
  const row = await findVersion(tx, id, version)
  if (!newest || !row) throw new Problem('not-found', `No house with the id ${id} ever had a version ${version}.`)
  const notRestorable = (why: string) =>
    new Problem(housingKinds['not-restorable'], why, { members: { current_version: newest.version } })
  if (row.operation === 'deleted') throw notRestorable(`Version ${version} is a deletion. Restore the one before it.`)

  await markAsRestoring(tx)
  const house = Object.fromEntries(writableMembers.map((member) => [member, row[member]])) as HousingInput
  const typeIsGone = onViolation('fk_housing_type', () =>
    notRestorable(`Its housing type, ${row.housing_type}, no longer exists.`),
  )
  const current = await findHousing(tx, id)
  const undeleted = current ? undefined : await undeleteHousing(tx, id, house).catch(typeIsGone)
  if (undeleted) return undeleted
  if (!ifMatch) throw missingIfMatch()
  const changed = await updateHousing(tx, id, versionsIn(ifMatch, id), house).catch(typeIsGone)
  if (!changed) throw unmatched(await findHousing(tx, id), 'house', id)
  return changed
}
