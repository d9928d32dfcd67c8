// The most frequent queries of queries.ts, batched: many callers share one statement. To do without, import from
// queries.ts instead and delete this file; only speed is lost.
import { type SqlBool, sql } from 'kysely'
import { actorOf, setActor } from '../database/actor.ts'
import { gathered, gatheredWrite } from '../database/gather.ts'
import { statement } from '../database/statement.ts'
import * as queries from './queries.ts'
import { columns, type HousingRow, houses, inPostalCode } from './queries.ts'
import { type HousingInput, ownColumns } from './schemas.ts'

export const findHousing = gathered({
  maxBatch: 16,
  alone: queries.findHousing,
  async together(db, ids: number[]) {
    const found = new Map((await findSeveral(db, { ids })).map((house) => [house.id, house]))
    return ids.map((id) => found.get(id))
  },
})

const findSeveral = statement('find_several_housing', (db, { ids }: { ids: number[] }) =>
  houses(db).where(sql<SqlBool>`h.id = any (${ids}::int[])`).compile(),
)

export const findHousingByPostalCode = gathered({
  maxBatch: 16,
  alone: queries.findHousingByPostalCode,
  async together(db, keys: { postalCode: string; limit: number }[]) {
    const found = keys.map((): HousingRow[] => [])
    const postalCodes = keys.map(({ postalCode }) => postalCode)
    const limits = keys.map(({ limit }) => limit)
    for (const { n, ...house } of await findInSeveralPostalCodes(db, { postalCodes, limits })) found[n - 1]?.push(house)
    return found
  },
})

const findInSeveralPostalCodes = statement(
  'find_housing_in_several_postal_codes',
  (db, { postalCodes, limits }: { postalCodes: string[]; limits: number[] }) =>
    sql<HousingRow & { n: number }>`
      select key.n::int, h.*
      from unnest(${postalCodes}::bpchar[], ${limits}::int[]) with ordinality as key (postal_code, max_rows, n)
      cross join lateral ${inPostalCode(db, sql`key.postal_code`).limit(sql<number>`key.max_rows`)} h
      order by key.n, h.id`.compile(db),
)

/** Inserts in a batch. A house of an unknown type is left out and then inserted alone, so that Postgres rejects it. */
export const insertHousing = gatheredWrite({
  maxBatch: 32,
  alone: queries.insertHousing,
  together: (db, houses: HousingInput[]) =>
    insertSeveral(db, {
      json: JSON.stringify(houses),
      types: houses.map(({ housing_type }) => housing_type),
      actor: actorOf(db),
    }),
})

const list = (columns: readonly string[]) => sql.raw(columns.join(', '))

/** Numbered on the way in, so that each caller gets its own row back. */
const insertSeveral = statement(
  'insert_several_housing',
  (db, { json, types, actor }: { json: string; types: string[]; actor: string }) =>
    sql<HousingRow & { n: number }>`
      with given as (
        select given.*, nextval('housing.housing_id_seq')::int as id
        from (
          select given.ordinality as n, ${list(ownColumns)}, t.id as housing_type_id
          from rows from (json_populate_recordset(null::housing.housing, ${json}), unnest(${types}::bpchar[]))
            with ordinality as given
          join housing.housing_types t on t.code = given.unnest
          order by given.ordinality
        ) given
      ), h as (
        insert into housing.housing (id, ${list(ownColumns)}, housing_type_id)
        select id, ${list(ownColumns)}, housing_type_id from given
        returning *, ${setActor(actor)}
      )
      select given.n::int, ${list(columns)}
      from h join given using (id) join housing.housing_types t on t.id = h.housing_type_id`.compile(db),
)
