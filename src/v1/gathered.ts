// The queries of queries.ts, batched: many callers share one statement. To do without, import from queries.ts instead
// and delete this file; only speed is lost.
import { sql } from 'kysely'
import { actorOf, setActor } from '../database/actor.ts'
import { gathered, gatheredWrite } from '../database/gather.ts'
import { statement } from '../database/statement.ts'
import type { Database } from '../database/tables.ts'
import * as queries from './queries.ts'
import { columns, type InPostalCode, inPostalCode, type V1HousingRow } from './queries.ts'
import type { V1House } from './validation.ts'

/** A longer answer is asked for alone, so that it does not hold up others. */
const longest = 1001

export const findV1Housing = (db: Database, key: InPostalCode): Promise<V1HousingRow[]> =>
  key.offset + key.limit > longest ? queries.findV1Housing(db, key) : findAmongOthers(db, key)

const findAmongOthers = gathered({
  maxBatch: 16,
  alone: queries.findV1Housing,
  async together(db, keys: InPostalCode[]) {
    const found = keys.map((): V1HousingRow[] => [])
    const postalCodes = keys.map(({ postalCode }) => postalCode)
    const offsets = keys.map(({ offset }) => offset)
    const limits = keys.map(({ limit }) => limit)
    for (const house of await findInSeveral(db, { postalCodes, offsets, limits })) found[house.n - 1]?.push(house)
    return found
  },
})

const findInSeveral = statement(
  'find_v1_housing_in_several_postal_codes',
  (db, { postalCodes, offsets, limits }: { postalCodes: string[]; offsets: number[]; limits: number[] }) =>
    sql<V1HousingRow & { n: number }>`
      select key.n::int, h.*
      from unnest(${postalCodes}::bpchar[], ${offsets}::int[], ${limits}::int[])
        with ordinality as key (postal_code, skipped, max_rows, n)
      cross join lateral ${inPostalCode(db, sql`key.postal_code`)
        .offset(sql<number>`key.skipped`)
        .limit(sql<number>`key.max_rows`)} h
      order by key.n, h.id`.compile(db),
)

/** Inserts in a batch. A house of an unknown type is left out and then inserted alone, so that Postgres rejects it. */
export const insertV1Housing = gatheredWrite({
  maxBatch: 32,
  alone: queries.insertV1Housing,
  together: (db, houses: V1House[]) => insertSeveral(db, { json: JSON.stringify(houses), actor: actorOf(db) }),
})

const list = sql.raw(columns.join(', '))

/** Numbered on the way in, so that each caller gets its own row back. */
const insertSeveral = statement('insert_several_v1_housing', (db, { json, actor }: { json: string; actor: string }) =>
  sql<V1HousingRow & { n: number }>`
    with given as (
      select nextval('housing.housing_id_seq')::int as id, n, address, street, city, postal_code, housing_type_id
      from (
        select given.*, given.ordinality as n
        from json_populate_recordset(null::housing.housing, ${json}) with ordinality as given
        join housing.housing_types t on t.id = given.housing_type_id
        order by n
      ) given
    ), h as (
      insert into housing.housing (${list}) select ${list} from given
      returning ${list}, ${setActor(actor)}
    )
    select given.n::int, ${list} from h join (select id, n from given) given using (id)`.compile(db),
)
