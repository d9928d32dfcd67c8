import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { readIdempotencyKey } from '../contract/idempotency-key.ts'
import { Problem } from '../contract/problems.ts'
import { actingAs } from '../database/actor.ts'
import type { Database } from '../database/tables.ts'
import { inTransaction } from '../database/transaction.ts'
import { counter } from '../metrics.ts'
import { findStoredAnswer, lockIdempotencyKey, storeAnswer } from './queries.ts'

const replays = counter(
  'sample_api_idempotent_replays_total',
  'Requests that were answered with the stored answer to an earlier one.',
).of()

/** The answer to a request that succeeded. */
export interface Outcome {
  status: number
  headers: Record<string, string>
  body: unknown
}

/**
 * Does the work of a request, for its caller, and answers it. With an `Idempotency-Key`, which is the caller's own,
 * the work is done only once: its answer is stored in the same transaction, and a repetition within 24 hours gets it, byte
 * for byte. (It resolves to `never` because the reply is sent here, which the type of a handler cannot express.)
 */
export async function answerOnce(
  db: Database,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (db: Database) => Promise<Outcome>,
): Promise<never> {
  const acting = actingAs(db, request.caller)
  const key = readIdempotencyKey(request.headers)
  if (key === undefined) {
    const { status, headers, body } = await work(acting)
    return reply.code(status).headers(headers).send(body) as never
  }
  const callersKey = { caller: request.caller?.name ?? '', key }
  const fingerprint = fingerprintOf(request)
  const { answer, replayed } = await inTransaction(acting, async (tx) => {
    if (!(await lockIdempotencyKey(tx, callersKey))) throw keyInUse()
    const stored = await findStoredAnswer(tx, callersKey)
    if (stored && !stored.fingerprint.equals(fingerprint)) throw keyReused()
    if (stored) return { answer: stored, replayed: true }
    const { status, headers, body } = await work(tx)
    const toJson = reply.getSerializationFunction(`${status}`, 'application/json') as (body: unknown) => string
    const answer = { fingerprint, status, headers, body: toJson(body) }
    await storeAnswer(tx, callersKey, answer)
    return { answer, replayed: false }
  })
  if (replayed) {
    replays.add()
    reply.header('idempotency-replayed', 'true')
  }
  return reply
    .code(answer.status)
    .headers(answer.headers)
    .type('application/json; charset=utf-8')
    .serializer((body: string) => body)
    .send(answer.body) as never
}

const fingerprintOf = ({ method, url, headers, bytes }: FastifyRequest): Buffer =>
  createHash('sha256')
    .update(JSON.stringify([method, url, headers['if-match'] ?? null]))
    .update(bytes ?? '')
    .digest()

const keyInUse = () =>
  new Problem('idempotency-key-in-use', 'A request with this Idempotency-Key is still in progress. Try again soon.', {
    headers: { 'retry-after': '1' },
  })

const keyReused = () =>
  new Problem('idempotency-key-reused', 'This Idempotency-Key was already used for a different request. Use a new key.')
