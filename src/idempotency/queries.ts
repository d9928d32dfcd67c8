import { sql } from 'kysely'
import type { Database } from '../database/tables.ts'

/** An answer as it was sent, and what request it was for. */
export interface StoredAnswer {
  fingerprint: Buffer
  status: number
  headers: Record<string, string>
  body: string
}

const lifetime = sql`interval '24 hours'`

/** Locks the key until the transaction ends; false if another transaction holds it. */
export async function lockIdempotencyKey(tx: Database, key: string): Promise<boolean> {
  const { rows } = await sql<{ locked: boolean }>`
    select pg_try_advisory_xact_lock(hashtextextended(${key}, 0)) as locked`.execute(tx)
  return rows[0]?.locked ?? false
}

/** The stored answer of the key, unless it has expired by the database's clock. */
export const findStoredAnswer = (tx: Database, key: string): Promise<StoredAnswer | undefined> =>
  tx
    .selectFrom('housing.idempotency_keys')
    .select(['fingerprint', 'status', 'headers', 'body'])
    .where('key', '=', key)
    .where('created_at', '>', sql<string>`now() - ${lifetime}`)
    .executeTakeFirst()

/** Stores the answer, and deletes an expired one of this key and up to ten others, so that they do not accumulate. */
export async function storeAnswer(tx: Database, key: string, answer: StoredAnswer): Promise<void> {
  await sql`
    delete from housing.idempotency_keys
    where created_at <= now() - ${lifetime} and (key = ${key} or key in (
      select key from housing.idempotency_keys order by created_at limit 10 for update skip locked))`.execute(tx)
  await tx
    .insertInto('housing.idempotency_keys')
    .values({ key, ...answer, headers: JSON.stringify(answer.headers) })
    .execute()
}
