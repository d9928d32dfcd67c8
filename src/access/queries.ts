import { sql } from 'kysely'
import type { Scope } from '../config/access-settings.ts'
import type { Database } from '../database/tables.ts'

export type KeyRow = NonNullable<Awaited<ReturnType<typeof findKey>>>
export type ListedKey = NonNullable<Awaited<ReturnType<typeof findListedKey>>>

const keys = (db: Database) =>
  db
    .selectFrom('housing.api_keys')
    .select(['id', 'hash', 'scopes', 'expires_at', 'revoked_at'])
    .select(sql<number | null>`last_used_on - date '1970-01-01'`.as('used_on'))

/** All keys, also those that have ended. */
export const findKeys = (db: Database) => keys(db).execute()

/** By the SHA-256 of the key. */
export const findKey = (db: Database, hash: Buffer) => keys(db).where('hash', '=', hash).executeTakeFirst()

/** Stores days of use, counted from 1970, by the ids of the keys. Writes no row that has this day, or a later one. */
export async function storeUses(db: Database, uses: ReadonlyMap<string, number>): Promise<void> {
  // Asked first, because /readyz reports a statement that Postgres rejected, and requests are served without this right.
  const { rows } = await sql<{ granted: boolean }>`
    select has_column_privilege('housing.api_keys', 'last_used_on', 'update') as granted`.execute(db)
  if (!rows[0]?.granted)
    throw new Error('This role may not update the column last_used_on of housing.api_keys. Run db/roles.sql.')
  await sql`
    update housing.api_keys set last_used_on = date '1970-01-01' + used.day
    from unnest(${[...uses.keys()]}::text[], ${[...uses.values()]}::integer[]) as used (id, day)
    where api_keys.id = used.id
      and (last_used_on is null or last_used_on < date '1970-01-01' + used.day)`.execute(db)
}

const listed = [
  ...(['id', 'name', 'scopes', 'created_at', 'created_by', 'expires_at', 'revoked_at'] as const),
  sql<string | null>`last_used_on::text`.as('last_used_on'),
  sql<'active' | 'expired' | 'revoked'>`case
    when revoked_at is not null then 'revoked' when expires_at <= now() then 'expired' else 'active' end`.as('state'),
] as const

/** All keys for people, the oldest first. */
export const listKeys = (db: Database) =>
  db.selectFrom('housing.api_keys').select(listed).orderBy('created_at').orderBy('id').execute()

/** By its id; within a transaction it is locked until that ends. */
export const findListedKey = (db: Database, id: string) => {
  const query = db.selectFrom('housing.api_keys').select(listed).where('id', '=', id)
  return (db.isTransaction ? query.forUpdate() : query).executeTakeFirst()
}

const seconds = (count: number) => sql<string>`now() + ${count} * interval '1 second'`

interface NewKey {
  id: string
  hash: Buffer
  name: string
  scopes: Scope[]
  /** In seconds. */
  lifetime: number
}

/** Stores a key that begins now. */
export const insertKey = (db: Database, { lifetime, ...key }: NewKey) =>
  db
    .insertInto('housing.api_keys')
    .values({ ...key, expires_at: seconds(lifetime) })
    .returning(listed)
    .executeTakeFirstOrThrow()

/** Stores a key that begins now, and has the name, the scopes and the lifetime of another one. */
export const insertSuccessor = (db: Database, { id, hash }: Pick<NewKey, 'id' | 'hash'>, old: string) =>
  db
    .insertInto('housing.api_keys')
    .columns(['id', 'hash', 'name', 'scopes', 'expires_at'])
    .expression((db) =>
      db
        .selectFrom('housing.api_keys')
        .select((key) => [
          key.val(id).as('id'),
          key.val(hash).as('hash'),
          'name',
          'scopes',
          sql<string>`now() + (expires_at - created_at)`.as('expires_at'),
        ])
        .where('id', '=', old),
    )
    .returning(listed)
    .executeTakeFirstOrThrow()

/** Ends a key so many seconds from now, unless it ends earlier. */
export const endKey = (db: Database, id: string, remaining: number) =>
  db
    .updateTable('housing.api_keys')
    .set({ expires_at: sql<string>`least(expires_at, ${seconds(remaining)})` })
    .where('id', '=', id)
    .returning(listed)
    .executeTakeFirst()

/** Revokes a key that is not revoked yet. */
export const revokeKey = (db: Database, id: string) =>
  db
    .updateTable('housing.api_keys')
    .set({ revoked_at: sql<string>`now()` })
    .where('id', '=', id)
    .where('revoked_at', 'is', null)
    .returning(listed)
    .executeTakeFirst()
