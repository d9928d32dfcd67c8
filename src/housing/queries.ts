import { type SqlBool, sql } from 'kysely'
import type { Database } from '../database/database.ts'

/** What a client sets of a house; its type by code or by id. */
export interface HousingValues {
  address: string
  street: string
  city: string
  postal_code: string
  type: { code: string } | { id: number }
}

/** A house as every version of the API answers it, a member or two too many for each. */
export type HousingRow = Awaited<ReturnType<typeof insertHousing>>

/** Which versions of a house a write is meant for: those named, or whatever is there. */
export type Versions = number[] | 'any'

const columns = [
  'h.id',
  'h.address',
  'h.street',
  'h.city',
  'h.postal_code',
  'h.housing_type_id',
  't.code as housing_type',
  'h.version',
  'h.created_at',
  'h.updated_at',
] as const

export const houses = (db: Database) =>
  db
    .selectFrom('housing.housing as h')
    .innerJoin('housing.housing_types as t', 't.id', 'h.housing_type_id')
    .select(columns)

export const findHousing = (db: Database, id: number) => houses(db).where('h.id', '=', id).executeTakeFirst()

/** Houses with exactly this stored postal code (trailing blanks aside), in the order of their creation. */
export const findHousingByPostalCode = (
  db: Database,
  postalCode: string,
  { limit, offset }: { limit: bigint; offset: bigint },
) =>
  houses(db)
    .where(sql`h.postal_code collate "C"`, '=', postalCode)
    .orderBy('h.id')
    .limit(limit)
    .offset(offset)
    .execute()

/** Rejects with a violation of `fk_housing_type` where there is no such type. */
export const insertHousing = (db: Database, { type, ...house }: HousingValues) =>
  db
    .with('h', (cte) =>
      cte
        .insertInto('housing.housing')
        .values({ ...house, housing_type_id: 'id' in type ? type.id : idOfType(type.code) })
        .returningAll(),
    )
    .selectFrom('h')
    .innerJoin('housing.housing_types as t', 't.id', 'h.housing_type_id')
    .select(columns)
    .executeTakeFirstOrThrow()

/**
 * Changes what is given, if the house is still in one of those versions; else answers undefined. A change that changes
 * nothing makes no new version. Rejects with a violation of `fk_housing_type` where there is no such type.
 */
export const updateHousing = (
  db: Database,
  id: number,
  versions: Versions,
  { type, ...house }: Partial<HousingValues>,
) =>
  db
    .with('h', (cte) =>
      cte
        .updateTable('housing.housing')
        .set({ ...house, ...(type && { housing_type_id: 'id' in type ? type.id : idOfType(type.code) }) })
        .set((eb) => ({ id: eb.ref('id') })) // there may be nothing else to set
        .where('id', '=', id)
        .$if(versions !== 'any', (query) => query.where(sql<SqlBool>`version = any (${versions}::int[])`))
        .returningAll(),
    )
    .selectFrom('h')
    .innerJoin('housing.housing_types as t', 't.id', 'h.housing_type_id')
    .select(columns)
    .executeTakeFirst()

/** Deletes the house, if it is still in one of those versions; answers whether it did. */
export async function deleteHousing(db: Database, id: number, versions: Versions): Promise<boolean> {
  const { numDeletedRows } = await db
    .deleteFrom('housing.housing')
    .where('id', '=', id)
    .$if(versions !== 'any', (query) => query.where(sql<SqlBool>`version = any (${versions}::int[])`))
    .executeTakeFirst()
  return numDeletedRows > 0n
}

/** Keeps others from writing these houses until the transaction ends, in the order of their ids. */
export const lockHouses = (tx: Database, ids: number[]) =>
  tx
    .selectFrom('housing.housing')
    .select('id')
    .where(sql<SqlBool>`id = any (${ids}::int[])`)
    .orderBy('id')
    .forUpdate()
    .execute()

/** A code that nobody has becomes an id that nobody has, so that Postgres alone judges. */
export const idOfType = (code: string) =>
  sql<number>`coalesce((select id from housing.housing_types where code = ${code}), -1)`
