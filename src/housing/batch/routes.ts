import type { Database } from '../../database/database.ts'
import { inTransaction } from '../../database/transaction.ts'
import { answerOnce, IdempotencyKey, IdempotencyReplayed, keyFailures } from '../../http/idempotency.ts'
import { Problem } from '../../http/problems.ts'
import { answer, failures, type Routes, ref } from '../../http/routes.ts'
import { deleteHousing, findHousing, insertHousing, lockHouses, updateHousing } from '../queries.ts'
import { asStored } from '../schemas.ts'
import { unknownHousingType } from '../unknown-housing-type.ts'
import { Batch, type BatchResult, BatchResults, batchShapes, exampleResults, type Operation } from './schemas.ts'

/** Many writes, of which all are done or none. */
export const batchRoutes: Routes = async (app, { db }) => {
  for (const shape of batchShapes) app.addSchema(shape)

  app.post(
    '/batch',
    {
      bodyLimit: 4 * 1024 * 1024,
      schema: {
        tags: ['Housing'],
        operationId: 'batchHousing',
        summary: 'Create, change and delete houses, all or none',
        headers: IdempotencyKey,
        body: ref(Batch),
        response: {
          200: answer(BatchResults, 'What each operation did.', {
            example: exampleResults,
            headers: { 'Idempotency-Replayed': IdempotencyReplayed },
          }),
          ...failures({
            404: 'An operation is about a house that is not there.',
            409: `An operation is about another version of its house. ${keyFailures[409]}`,
            413: 'The body is too large.',
            415: 'The body is no JSON.',
            422: keyFailures[422],
          }),
        },
      },
    },
    (request, reply) =>
      answerOnce(db, request, reply, (db) =>
        inTransaction(db, async (tx) => {
          const { operations } = request.body
          // In one order everywhere, so that batches do not wait for each other in a circle.
          await lockHouses(
            tx,
            operations.flatMap((operation) => ('id' in operation ? [operation.id] : [])),
          )
          const results: BatchResult[] = []
          for (const [index, operation] of operations.entries())
            results.push(await perform(tx, operation).catch(at(index)))
          return { status: 200, headers: {}, body: { results } }
        }),
      ),
  )
}

/** Does one operation. Throws its problem. */
async function perform(tx: Database, operation: Operation): Promise<BatchResult> {
  const { op } = operation
  if (op === 'create') {
    const house = await insertHousing(tx, asStored(operation.house)).catch(
      unknownHousingType(operation.house, '/house/housing_type'),
    )
    return { op, id: house.id, version: house.version, house }
  }
  const { id, version } = operation
  if (op === 'delete') {
    if (!(await deleteHousing(tx, id, [version]))) throw await conflict(tx, id, version)
    return { op, id, version: version + 1 }
  }
  const house = await updateHousing(tx, id, [version], asStored(operation.house)).catch(
    unknownHousingType(operation.house, '/house/housing_type'),
  )
  if (!house) throw await conflict(tx, id, version)
  return { op, id, version: house.version, house }
}

/** Why an operation found nothing to change. */
async function conflict(tx: Database, id: number, version: number): Promise<Problem> {
  const current = await findHousing(tx, id)
  if (!current) return new Problem('not-found', `No house has the id ${id}.`)
  const detail = `The house ${id} is not in version ${version}: read it again, then repeat the batch.`
  return new Problem('version-conflict', detail, { members: { current_version: current.version } })
}

/** Says of a problem which operation it is about; lets anything else pass. */
const at =
  (index: number) =>
  (error: unknown): never => {
    if (!(error instanceof Problem)) throw error
    const { code, message, with: extra } = error
    const errors = (extra.errors as { pointer: string }[] | undefined)?.map((item) => ({
      ...item,
      pointer: `/operations/${index}${item.pointer}`,
    }))
    throw new Problem(code, `Operation ${index}: ${message}`, {
      ...extra,
      ...(errors && { errors }),
      members: { index, ...extra.members },
    })
  }
