import { type Expression, type SelectQueryBuilder, type SqlBool, sql } from 'kysely'
import type { Database } from '../database/database.ts'
import { isSqlError, isStuck } from '../database/errors.ts'
import { gathered } from '../database/gather.ts'
import { statement } from '../database/statement.ts'
import { persistently } from '../database/transaction.ts'

/** What a client sets of a house; its type by code or by id. */
export interface HousingValues {
  address: string
  street: string
  city: string
  postal_code: string
  type: { code: string } | { id: number }
}

/** A house as it is answered. */
export type HousingRow = Awaited<ReturnType<ReturnType<typeof houses>['executeTakeFirstOrThrow']>>

/** Which versions of a house a write is meant for: those named, or whatever is there. */
export type Versions = number[] | 'any'

const columns = [
  'h.id',
  'h.address',
  'h.street',
  'h.city',
  'h.postal_code',
  't.code as housing_type',
  'h.version',
  'h.created_at',
  'h.updated_at',
] as const

const withType = (houses: HousesIn) =>
  houses.innerJoin('housing.housing_types as t', 't.id', 'h.housing_type_id').select(columns)

export const houses = (db: Database) => withType(db.selectFrom('housing.housing as h'))

/** The house with this id, or undefined. */
export const findHousing = gathered({
  most: 16,
  one: async (db, id: number): Promise<HousingRow | undefined> => (await findOne(db, { id }))[0],
  all: async (db, ids) => {
    const found = new Map((await findSeveral(db, { ids })).map((house) => [house.id, house]))
    return ids.map((id) => found.get(id))
  },
})

const findOne = statement('find_housing', (db, { id }: { id: number }) => houses(db).where('h.id', '=', id).compile())

const findSeveral = statement('find_several_housing', (db, { ids }: { ids: readonly number[] }) =>
  houses(db).where(sql<SqlBool>`h.id = any (${ids}::int[])`).compile(),
)

interface Portion {
  limit: bigint
  offset: bigint
}
interface InPostalCode extends Portion {
  postalCode: string
}
type HousesIn = ReturnType<typeof housesIn>

const housesIn = (db: Database, postalCode: string | Expression<string>) =>
  db.selectFrom('housing.housing as h').where(sql<string>`h.postal_code collate "C"`, '=', postalCode).orderBy('h.id')

/** A longer answer is asked for alone, so that it does not hold up others. */
const longest = 1001n

/**
 * A query for the houses with exactly one stored postal code (trailing blanks aside), in the order of their creation,
 * with what `columns` takes of them: the id at least.
 */
export function inPostalCode<Row extends { id: number }>(
  name: string,
  // biome-ignore lint/suspicious/noExplicitAny: which tables were joined to take the columns is of no more interest
  columns: (houses: HousesIn) => SelectQueryBuilder<any, any, Row>,
): (db: Database, key: InPostalCode) => Promise<Row[]> {
  const inOne = statement(name, (db, { postalCode, limit, offset }: InPostalCode) =>
    columns(housesIn(db, postalCode)).limit(limit).offset(offset).compile(),
  )
  const inSeveral = statement(
    `${name}_of_several`,
    (db, { postalCodes, limits, offsets }: { postalCodes: string[]; limits: bigint[]; offsets: bigint[] }) =>
      sql<Row & { n: number }>`
        select key.n::int, h.*
        from unnest(${postalCodes}::bpchar[], ${limits}::bigint[], ${offsets}::bigint[])
          with ordinality as key (postal_code, most, skipped, n)
        cross join lateral ${columns(housesIn(db, sql`key.postal_code`))
          .limit(sql<number>`key.most`)
          .offset(sql<number>`key.skipped`)} h
        order by key.n, h.id`.compile(db),
  )
  const ofMany = gathered({
    most: 16,
    one: inOne,
    all: async (db, keys: readonly InPostalCode[]) => {
      const found = keys.map((): Row[] => [])
      const rows = await inSeveral(db, {
        postalCodes: keys.map(({ postalCode }) => postalCode),
        limits: keys.map(({ limit }) => limit),
        offsets: keys.map(({ offset }) => offset),
      })
      for (const house of rows) found[house.n - 1]?.push(house)
      return found
    },
  })
  return (db, key) => (key.limit + key.offset > longest ? inOne : ofMany)(db, key)
}

export const findHousingByPostalCode = inPostalCode('find_housing_by_postal_code', withType)

/** Rejects with a violation of `fk_housing_type` where there is no such type. */
export const insertHousing = async (db: Database, house: HousingValues): Promise<HousingRow> =>
  (await insertAmongMany(db, house)) ?? insertAlone(db, house)

/** Stores all whose type exists; answers undefined for the others, which Postgres is to judge alone. */
const insertAmongMany = gathered({
  most: 32,
  one: (db, house: HousingValues): Promise<HousingRow | undefined> => insertAlone(db, house),
  all: async (db, all) => {
    try {
      const stored: (HousingRow | undefined)[] = all.map(() => undefined)
      for (const { n, ...house } of await insertSeveral(db, { json: JSON.stringify(all.map(asParameters)) }))
        stored[n - 1] = house
      return stored
    } catch (error) {
      if (!isSqlError(error) || isStuck(error)) throw error
      // Postgres has refused them all, perhaps because of one.
      return Promise.all(all.map((house) => insertAlone(db, house).catch((reason: Error) => reason)))
    }
  },
})

const insertAlone = async (db: Database, house: HousingValues) =>
  (await insertOne(db, asParameters(house)))[0] as HousingRow

const asParameters = ({ type, ...house }: HousingValues) => ({
  ...house,
  type_id: 'id' in type ? type.id : null,
  type_code: 'code' in type ? type.code : null,
})

const insertOne = statement(
  'insert_housing',
  (db, { address, street, city, postal_code, type_id, type_code }: ReturnType<typeof asParameters>) =>
    db
      .with('h', (cte) =>
        cte
          .insertInto('housing.housing')
          .values({
            address,
            street,
            city,
            postal_code,
            housing_type_id: sql`coalesce(${type_id}::int, ${idOfType(type_code)})`,
          })
          .returningAll(),
      )
      .selectFrom('h')
      .innerJoin('housing.housing_types as t', 't.id', 'h.housing_type_id')
      .select(columns)
      .compile(),
)

/** Numbered before they are stored, so that each can be told which row became its house. */
const insertSeveral = statement('insert_several_housing', (db, { json }: { json: string }) =>
  sql<HousingRow & { n: number }>`
    with given as materialized (
      select nextval('housing.housing_id_seq')::int as id, given.*
      from (
        select given.*, t.id as housing_type_id, t.code as housing_type
        from rows from (json_to_recordset(${json}) as (
            address text, street text, city text, postal_code text, type_id int, type_code bpchar
          )) with ordinality as given (address, street, city, postal_code, type_id, type_code, n)
        join housing.housing_types t on t.id = given.type_id or t.code = given.type_code
        order by given.n
      ) given
    ), h as (
      insert into housing.housing (id, address, street, city, postal_code, housing_type_id)
      select id, address, street, city, postal_code, housing_type_id from given
      returning *
    )
    select given.n::int, h.id, h.address, h.street, h.city, h.postal_code, given.housing_type, h.version, h.created_at,
      h.updated_at
    from h join given using (id)`.compile(db),
)

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
  persistently(db, () =>
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
      .executeTakeFirst(),
  )

/** Deletes the house, if it is still in one of those versions; answers whether it did. */
export async function deleteHousing(db: Database, id: number, versions: Versions): Promise<boolean> {
  const { numDeletedRows } = await persistently(db, () =>
    db
      .deleteFrom('housing.housing')
      .where('id', '=', id)
      .$if(versions !== 'any', (query) => query.where(sql<SqlBool>`version = any (${versions}::int[])`))
      .executeTakeFirst(),
  )
  return numDeletedRows > 0n
}

/** Keeps others from writing these houses until the transaction ends, in the order of their ids. */
export const lockHouses = (tx: Database, ids: number[]) =>
  tx
    .selectFrom('housing.housing')
    .select(['id', 'version'])
    .where(sql<SqlBool>`id = any (${ids}::int[])`)
    .orderBy('id')
    .forUpdate()
    .execute()

/** A code that nobody has becomes an id that nobody has, so that Postgres alone judges. */
export const idOfType = (code: string | null) =>
  sql<number>`coalesce((select id from housing.housing_types where code = ${code}), -1)`
