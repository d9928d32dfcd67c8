import { type SqlBool, sql } from 'kysely'
import { actorOf, setActor } from '../../database/actor.ts'
import { statement } from '../../database/statement.ts'
import type { Database } from '../../database/tables.ts'
import { houses, lockHouses } from '../queries.ts'
import { type HousingInput, ownColumns } from '../schemas.ts'
import type { Row } from './rows.ts'

const anHour = sql<string>`now() + interval '1 hour'`

/** Deletes the imports that were not applied within an hour. */
export const deleteExpired = (db: Database) =>
  sql`
    delete from housing.imports where id in (
      select id from housing.imports where expires_at < now() for update skip locked)`.execute(db)

/** Begins an import of this caller, and deletes expired ones. */
export async function beginImport(
  db: Database,
  { caller, columns }: { caller: string; columns: string[] },
): Promise<string> {
  await deleteExpired(db)
  const { id } = await db
    .insertInto('housing.imports')
    .values({ caller, columns, expires_at: anHour })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** Stores the chunk `n` of an import: rows, as a JSON array. */
export const stageChunk = statement(
  'stage_chunk_of_import',
  (db, { id, n, rows }: { id: string; n: number; rows: string }) =>
    db
      .with('kept', (cte) => cte.updateTable('housing.imports').set({ expires_at: anHour }).where('id', '=', id))
      .insertInto('housing.import_chunks')
      .values({ import: id, n, rows })
      .compile(),
)

/** The chunk `n` of an import; undefined behind the last. */
export async function findChunk(db: Database, id: string, n: number): Promise<Row[] | undefined> {
  const chunk = await db
    .selectFrom('housing.import_chunks')
    .select('rows')
    .where('import', '=', id)
    .where('n', '=', n)
    .executeTakeFirst()
  return chunk && JSON.parse(chunk.rows)
}

/**
 * Keeps an import of this caller for another hour, and locks it until the transaction ends. Answers its columns, which rows of
 * JSON do not have; undefined if there is none, or it is locked already.
 */
export async function renewImport(db: Database, id: string, caller: string): Promise<string[] | undefined> {
  const renewed = await db
    .updateTable('housing.imports')
    .set({ expires_at: anHour })
    .where('id', 'in', (from) =>
      from
        .selectFrom('housing.imports')
        .select('id')
        .where('id', '=', id)
        .where('caller', '=', caller)
        .where('expires_at', '>', sql<string>`now()`)
        .forUpdate()
        .skipLocked(),
    )
    .returning('columns')
    .executeTakeFirst()
  return renewed?.columns
}

export const deleteImport = (db: Database, id: string) =>
  db.deleteFrom('housing.imports').where('id', '=', id).execute()

/** The ids of the housing types by their codes. */
export async function findTypeIds(db: Database): Promise<Map<string, number>> {
  const types = await db.selectFrom('housing.housing_types').select(['id', 'code']).execute()
  return new Map(types.map(({ id, code }) => [code, id]))
}

/**
 * Locks these houses until the transaction ends. They are read once they are locked: a statement that has waited for a
 * house misses it in a join with its type, if another transaction has just changed the type.
 */
export async function lockWholeHouses(tx: Database, ids: number[]) {
  await lockHouses(tx, ids)
  return houses(tx).select('h.housing_type_id').where(sql<SqlBool>`h.id = any (${ids}::int[])`).execute()
}

export type LockedHouse = Awaited<ReturnType<typeof lockWholeHouses>>[number]

/** A house with the id of its type. */
export type StoredHouse = Omit<HousingInput, 'housing_type'> & { housing_type_id: number }

/**
 * Prepares a transaction: sets whom the change log names; and has Postgres use indexes, as it plans the queries of the
 * triggers once, when the tables may be empty, and would then read the whole change log for each row.
 */
export const prepare = (tx: Database) =>
  tx
    .selectNoFrom([setActor(actorOf(tx)), sql<string>`set_config('enable_seqscan', 'off', true)`.as('seqscan')])
    .execute()

export async function insertHouses(tx: Database, houses: StoredHouse[]): Promise<void> {
  if (houses.length === 0) return
  await sql`
    insert into housing.housing (${names}) select * from unnest(${values(houses)})`.execute(tx)
}

export async function updateHouses(tx: Database, houses: (StoredHouse & { id: number })[]): Promise<void> {
  if (houses.length === 0) return
  await sql`
    update housing.housing h set (${names}) = (${sql.join(stored.map((name) => sql.ref(`given.${name}`)))})
    from unnest(${houses.map(({ id }) => id)}::int[], ${values(houses)}) as given (id, ${names})
    where h.id = given.id`.execute(tx)
}

const stored = [...ownColumns, 'housing_type_id'] as const
const names = sql.join(stored.map((name) => sql.ref(name)))
const values = (houses: StoredHouse[]) =>
  sql.join(
    stored.map(
      (name) => sql`${houses.map((house) => house[name])}::${sql.raw(name === 'housing_type_id' ? 'int[]' : 'text[]')}`,
    ),
  )

const savepoint = sql`savepoint import_rows`
const release = sql`release savepoint import_rows`
const rollback = sql`rollback to savepoint import_rows`

/** Does work in a transaction within the transaction: what it wrote is undone if it rejects, or if `isKept` says so. */
export async function nested<T>(
  tx: Database,
  work: () => Promise<T>,
  isKept: (result: T) => boolean = () => true,
): Promise<T> {
  await savepoint.execute(tx)
  try {
    const result = await work()
    if (!isKept(result)) await rollback.execute(tx)
    await release.execute(tx)
    return result
  } catch (error) {
    await rollback.execute(tx)
    await release.execute(tx)
    throw error
  }
}
