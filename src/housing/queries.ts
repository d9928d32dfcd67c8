import { type Expression, type SqlBool, sql } from 'kysely'
import { type Versions, versionIsIn } from '../contract/versioned.ts'
import { actorOf, setActor } from '../database/actor.ts'
import { statement } from '../database/statement.ts'
import type { Database } from '../database/tables.ts'
import { type HousingInput, type HousingPatch, ownColumns } from './schemas.ts'

/** A house as clients see it: its columns have the names of the contract. */
export type HousingRow = Awaited<ReturnType<typeof insertHousing>>

export const columns = [
  'h.id',
  ...ownColumns.map((column) => `h.${column}` as const),
  't.code as housing_type',
  'h.version',
  'h.created_at',
  'h.updated_at',
] as const

/** All houses with their types; callers add the `where`. */
export const houses = (db: Database) =>
  db
    .selectFrom('housing.housing as h')
    .innerJoin('housing.housing_types as t', 't.id', 'h.housing_type_id')
    .select(columns)

export const findHousing = (db: Database, id: number) => houses(db).where('h.id', '=', id).executeTakeFirst()

/** The houses with exactly this stored postal code, in the order of their creation. */
export const findHousingByPostalCode = (db: Database, { postalCode, limit }: { postalCode: string; limit: number }) =>
  inPostalCode(db, postalCode).limit(limit).execute()

export const inPostalCode = (db: Database, postalCode: string | Expression<string>) =>
  houses(db).where(sql<string>`h.postal_code collate "C"`, '=', postalCode).orderBy('h.id')

/** Rejects with a violation of `fk_housing_type` if the type does not exist. */
export const insertHousing = (db: Database, { housing_type, ...house }: HousingInput) =>
  db
    .with('h', (cte) =>
      cte
        .insertInto('housing.housing')
        .values({ ...house, housing_type_id: idOfType(housing_type) })
        .returningAll()
        .returning(setActor(actorOf(db))),
    )
    .selectFrom('h')
    .innerJoin('housing.housing_types as t', 't.id', 'h.housing_type_id')
    .select(columns)
    .executeTakeFirstOrThrow()

/**
 * Changes the given members if the house is in one of these versions; otherwise resolves to undefined. Equal values
 * make no new version. Rejects with a violation of `fk_housing_type` if the type does not exist.
 */
export const updateHousing = (
  db: Database,
  id: number,
  versions: Versions,
  { housing_type, ...house }: HousingPatch,
): Promise<HousingRow | undefined> =>
  db
    .with('h', (cte) =>
      cte
        .updateTable('housing.housing')
        .set((eb) => ({
          address: eb.ref('address'), // an empty patch sets nothing else
          ...house,
          ...(housing_type !== undefined && { housing_type_id: idOfType(housing_type) }),
        }))
        .where('id', '=', id)
        .where(versionIsIn(versions))
        .returningAll()
        .returning(setActor(actorOf(db))),
    )
    .selectFrom('h')
    .innerJoin('housing.housing_types as t', 't.id', 'h.housing_type_id')
    .select(columns)
    .executeTakeFirst()

/** Deletes the house if it is in one of those versions; answers whether it did. */
export async function deleteHousing(db: Database, id: number, versions: Versions): Promise<boolean> {
  const deleted = await db
    .deleteFrom('housing.housing')
    .where('id', '=', id)
    .where(versionIsIn(versions))
    .returning(setActor(actorOf(db)))
    .executeTakeFirst()
  return deleted !== undefined
}

/** Never sent, only planned, to see that houses may be changed and deleted. */
statement('change_and_delete_housing', (db, house: HousingPatch & { housing_type_id: number }) => {
  const written = Object.fromEntries([...ownColumns, 'housing_type_id' as const].map((name) => [name, house[name]]))
  return db
    .with('h', (cte) => cte.updateTable('housing.housing').set(written).returning('id'))
    .deleteFrom('housing.housing')
    .where('id', 'in', (eb) => eb.selectFrom('h').select('id'))
    .compile()
})

/** Locks these houses, in the order of their ids, until the transaction ends. */
export const lockHouses = (tx: Database, ids: number[]) =>
  tx
    .selectFrom('housing.housing')
    .select(['id', 'version'])
    .where(sql<SqlBool>`id = any (${ids}::int[])`)
    .orderBy('id')
    .forUpdate()
    .execute()

/** The id of a type, or -1 for an unknown code: the foreign key then rejects the row. */
export const idOfType = (code: string) =>
  sql<number>`coalesce((select id from housing.housing_types where code = ${code}), -1)`
