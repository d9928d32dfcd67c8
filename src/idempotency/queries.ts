import { sql } from 'kysely'
import { statement } from '../database/statement.ts'
import type { Database } from '../database/tables.ts'

/** A key belongs to the caller who sent it; without a caller that is ''. */
export interface CallersKey {
  caller: string
  key: string
}

/** An answer as it was sent, and what request it was for. */
export interface StoredAnswer<Headers = Record<string, string>> {
  fingerprint: Buffer
  status: number
  headers: Headers
  body: string
}

const lifetime = sql`interval '24 hours'`

/**
 * Locks the key until the transaction ends; false if another transaction holds it. Keys have no spaces, so the name of the
 * lock is unique. Without a caller it is the key alone, as in older releases.
 */
export async function lockIdempotencyKey(tx: Database, { caller, key }: CallersKey): Promise<boolean> {
  const name = caller === '' ? key : `${caller} ${key}`
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${name}, 0)) as locked`.execute(tx)
  return rows[0]?.locked ?? false
}

/** The stored answer of the key, unless it has expired by the database's clock. */
export const findStoredAnswer = (tx: Database, { caller, key }: CallersKey): Promise<StoredAnswer | undefined> =>
  tx
    .selectFrom('housing.idempotency_keys')
    .select(['fingerprint', 'status', 'headers', 'body'])
    .where('key', '=', key)
    .where('caller', '=', caller)
    .where('created_at', '>', sql<string>`now() - ${lifetime}`)
    .executeTakeFirst()

/** Stores the answer, and deletes an expired one of this key and up to ten others, so that they do not accumulate. */
export async function storeAnswer(tx: Database, { caller, key }: CallersKey, answer: StoredAnswer): Promise<void> {
  await deleteExpired(tx, { caller, key })
  await insertAnswer(tx, { caller, key, ...answer, headers: JSON.stringify(answer.headers) })
}

const deleteExpired = statement('delete_expired_answers', (db, { caller, key }: CallersKey) =>
  sql`
    delete from housing.idempotency_keys
    where created_at <= now() - ${lifetime} and ((key, caller) = (${key}, ${caller}) or (key, caller) in (
      select key, caller from housing.idempotency_keys order by created_at limit 10 for update skip locked))`.compile(
    db,
  ),
)

const insertAnswer = statement(
  'store_answer',
  (db, { caller, key, fingerprint, status, headers, body }: CallersKey & StoredAnswer<string>) =>
    db.insertInto('housing.idempotency_keys').values({ caller, key, fingerprint, status, headers, body }).compile(),
)
