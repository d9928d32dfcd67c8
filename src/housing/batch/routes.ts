import type { preValidationAsyncHookHandler } from 'fastify'
import { answer, failures, type Routes, ref } from '../../contract/contract.ts'
import { Problem, wrongMember } from '../../contract/problems.ts'
import type { Database } from '../../database/tables.ts'
import { inTransaction } from '../../database/transaction.ts'
import { answerOnce, IdempotencyKey, IdempotencyReplayed, keyFailures } from '../../idempotency/idempotency.ts'
import { deleteHousing, insertHousing, lockHouses, updateHousing } from '../queries.ts'
import { asStored } from '../schemas.ts'
import { unknownHousingType } from '../unknown-housing-type.ts'
import { Batch, type BatchResult, BatchResults, batchShapes, exampleResults, most, type Operation } from './schemas.ts'

/** Many writes, of which all are done or none. */
export const batchRoutes: Routes = async (app, { db }) => {
  for (const shape of batchShapes) app.addSchema(shape)
  app.setErrorHandler((error) => {
    throw ofOneOperation(error)
  })

  app.post(
    '/batch',
    {
      bodyLimit: 4 * 1024 * 1024,
      preValidation: refuseTooMany,
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
          const locked = await lockHouses(
            tx,
            operations.flatMap((operation) => ('id' in operation ? [operation.id] : [])),
          )
          const before = new Map(locked.map(({ id, version }) => [id, version]))
          const results: BatchResult[] = []
          for (const [index, operation] of operations.entries())
            results.push(await perform(tx, operation, before).catch(at(index)))
          return { status: 200, headers: {}, body: { results } }
        }),
      ),
  )
}

/** Does one operation. Throws its problem, in which a house's version is the one `before` the batch. */
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
  if (current === undefined) return new Problem('not-found', `No house has the id ${id}.`)
  const detail =
    current === version
      ? `An operation before it changed the house ${id}, so that it is not in version ${version} any more.`
      : `The house ${id} is not in version ${version}: read it again, then repeat the batch.`
  return new Problem('version-conflict', detail, { members: { current_version: current } })
}

/** Before each of them is judged, as two million operations that are all wrong fit into a body. */
const refuseTooMany: preValidationAsyncHookHandler = async ({ body }) => {
  const { operations } = (body ?? {}) as { operations?: unknown }
  if (!Array.isArray(operations) || operations.length <= most) return
  throw wrongMember('/operations', 'maxItems', `must be 1 to ${most} operations, not ${operations.length}.`)
}

/** A body that is wrong is so by its first wrong operation. */
function ofOneOperation(error: unknown): unknown {
  if (!(error instanceof Problem) || error.with.members?.index !== undefined) return error
  const [first] = (error.with.errors ?? []) as { pointer?: string }[]
  const [, index] = /^\/operations\/(\d+)/.exec(first?.pointer ?? '') ?? []
  return index === undefined ? error : withIndex(error, Number(index))
}

const withIndex = ({ code, message, with: extra }: Problem, index: number) =>
  new Problem(code, message, { ...extra, members: { index, ...extra.members } })

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
