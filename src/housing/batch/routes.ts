import type { Static } from 'typebox'
import { answer, operation, type Routes, ref } from '../../contract/contract.ts'
import { IdempotencyKey, IdempotencyReplayed, keyedFailures, keyFailures } from '../../contract/idempotency-key.ts'
import { noSuch, Problem } from '../../contract/problems.ts'
import type { Database } from '../../database/tables.ts'
import { inTransaction } from '../../database/transaction.ts'
import { answerOnce } from '../../idempotency/idempotency.ts'
import { housingKinds, unknownHousingType } from '../problems.ts'
import { deleteHousing, insertHousing, lockHouses, updateHousing } from '../queries.ts'
import { asStored } from '../schemas.ts'
import { Batch, type BatchResult, BatchResults, exampleResults, maxOperations, type Operation } from './schemas.ts'

/** Many writes in one transaction: all are done, or none. */
export const batchRoutes: Routes = async (app, { db }) => {
  app.setErrorHandler((error) => {
    throw namingOperation(error)
  })

  app.post(
    '/batch',
    {
      bodyLimit: 1024 * 1024,
      ...operation('batchHousing', 'Create, change and delete houses, all or none', {
        scope: 'housing:write',
        config: {
          maxItems: maxOperations,
          cost: ({ operations }: Static<typeof Batch>) => operations.length / 100,
          isSlow: () => true,
        },
        description:
          'The operations are done in their order, in one transaction: if one fails, none is done. Can be repeated safely with an `Idempotency-Key`.',
        links: {
          200: { getHousing: { operationId: 'getHousing', parameters: { id: '$response.body#/results/0/id' } } },
        },
        headers: IdempotencyKey,
        body: ref(Batch),
        response: {
          200: answer(BatchResults, 'What each operation did.', {
            example: exampleResults,
            headers: { 'Idempotency-Replayed': IdempotencyReplayed },
          }),
          ...keyedFailures({
            404: 'An operation names a house that does not exist.',
            409: `An operation names a version that is not the current one of its house; the problem has the current one. ${keyFailures[409]}`,
            413: 'The body is too large.',
            415: 'The body is not JSON.',
            422: keyFailures[422],
          }),
        },
      }),
    },
    (request, reply) =>
      answerOnce(db, request, reply, (db) =>
        inTransaction(db, async (tx) => ({
          status: 200,
          headers: {},
          body: { results: await performAll(tx, request.body.operations) },
        })),
      ),
  )
}

async function performAll(tx: Database, operations: Operation[]): Promise<BatchResult[]> {
  const ids = operations.flatMap((operation) => ('id' in operation ? [operation.id] : []))
  // Every batch locks in the order of ids, so that two batches cannot deadlock.
  const before = new Map((await lockHouses(tx, ids)).map(({ id, version }) => [id, version]))
  const results: BatchResult[] = []
  for (const [index, operation] of operations.entries())
    results.push(await perform(tx, operation, before).catch(rethrowWith(index)))
  return results
}

/** Does one operation. A problem reports the version from `before`, because the batch is rolled back. */
async function perform(tx: Database, operation: Operation, before: Map<number, number>): Promise<BatchResult> {
  const { op } = operation
  if (op === 'create') {
    const house = await insertHousing(tx, asStored(operation.house)).catch(
      unknownHousingType(operation.house, '/house/housing_type'),
    )
    return { op, id: house.id, version: house.version, house }
  }
  const { id, version } = operation
  if (op === 'delete') {
    if (!(await deleteHousing(tx, id, [version]))) throw conflict(id, version, before.get(id))
    return { op, id, version: version + 1 }
  }
  const house = await updateHousing(tx, id, [version], asStored(operation.house)).catch(
    unknownHousingType(operation.house, '/house/housing_type'),
  )
  if (!house) throw conflict(id, version, before.get(id))
  return { op, id, version: house.version, house }
}

/** Why an operation found nothing to change. */
function conflict(id: number, version: number, current: number | undefined): Problem {
  if (current === undefined) return noSuch('house', id)
  const detail =
    current === version
      ? `An earlier operation of the batch changed the house ${id}, so it is no longer in version ${version}. Combine its changes into one operation.`
      : `The house ${id} is not in version ${version}: read it again, then repeat the batch.`
  return new Problem(housingKinds['version-conflict'], detail, { members: { current_version: current } })
}

/** Adds the index of the operation to its problem; rethrows any other error unchanged. */
const rethrowWith =
  (index: number) =>
  (error: unknown): never => {
    if (!(error instanceof Problem)) throw error
    const { kind, message, extra } = error
    const errors = extra.errors?.map((item) => ({ ...item, pointer: `/operations/${index}${item.pointer}` }))
    throw new Problem(kind, `Operation ${index}: ${message}`, {
      ...extra,
      ...(errors && { errors }),
      members: { index, ...extra.members },
    })
  }

/** Adds the index of the first invalid operation to a validation problem; returns any other error unchanged. */
function namingOperation(error: unknown): unknown {
  if (!(error instanceof Problem) || error.extra.members?.index !== undefined) return error
  const [, index] = /^\/operations\/(\d+)/.exec(error.extra.errors?.[0]?.pointer ?? '') ?? []
  if (index === undefined) return error
  const { kind, message, extra } = error
  return new Problem(kind, message, { ...extra, members: { index: Number(index), ...extra.members } })
}
