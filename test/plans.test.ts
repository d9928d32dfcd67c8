import { type CompiledQuery, Kysely, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import { afterAll, expect, test } from 'vitest'
import { gatherFor } from '../src/database/gather.ts'
import { openDatabase } from '../src/database/open.ts'
import type { Database } from '../src/database/tables.ts'
import { Numbering } from '../src/housing/changes/numbering.ts'
import { findChanges, lastPosition } from '../src/housing/changes/queries.ts'
import { findHousing, findHousingByPostalCode } from '../src/housing/gathered.ts'
import { listHousing, resolveFilters } from '../src/housing/list/queries.ts'
import { type Filters, type Sort, sorts } from '../src/housing/list/schemas.ts'
import { bringUpOnce } from '../src/migrations/bring-up.ts'
import { readMigrations } from '../src/migrations/files.ts'
import { ownDatabase } from './support/api.ts'

const { settings, url, drop } = await ownDatabase()
const database = await openDatabase(settings)
await bringUpOnce(database, readMigrations())
await database.close()

const pool = new pg.Pool({ connectionString: url, max: 1 })
const sent: CompiledQuery[] = []
const db: Database = new Kysely({ dialect: new PostgresDialect({ pool }), log: ({ query }) => void sent.push(query) })
afterAll(async () => {
  await db.destroy()
  await drop()
})

await sql`
  insert into housing.housing (address, street, city, postal_code, housing_type_id, updated_at)
  select i::text, 'Street ' || i % 5000, 'City ' || i % 5000,
    'V' || i % 10 || chr(65 + i % 26) || ' ' || i / 10 % 10 || chr(65 + i / 260 % 26) || i / 100 % 10,
    case when i % 5000 = 0 then 2 else 1 end, '2026-01-01'::timestamptz + i * interval '1 second'
  from generate_series(1, 200000) i`.execute(db)
await sql`analyze housing.housing`.execute(db)

/** The same database, with queries gathered into batches. */
const batching: Database = new Kysely({
  dialect: new PostgresDialect({ pool }),
  log: ({ query }) => void sent.push(query),
})
gatherFor(batching, { longestWait: 60_000 })

/** The plan of Postgres for the statement that the function sends. */
async function plan(send: (db: Database) => Promise<unknown>, on = db): Promise<string> {
  sent.length = 0
  await send(on)
  const [query] = sent as [CompiledQuery]
  const { rows } = await pool.query(`explain ${query.sql}`, [...query.parameters])
  return rows.map((row) => row['QUERY PLAN']).join('\n')
}

const filters: [Filters, string][] = [
  [{ postal_code: 'V8V 1A1' }, 'housing_by_postal_code'],
  [{ city: 'CITY 17' }, 'housing_by_normalized_city'],
  [{ street: 'street 1234' }, 'housing_by_normalized_street_prefix'],
  [{ housing_type: 'ASL' }, 'housing_by_type'],
  [{ updated_since: '2026-01-03T07:32:00Z' }, 'housing_by_updated_at'],
  [{ q: '12345' }, 'housing_by_split_words'],
  [{ city: 'Cité 17'.normalize('NFD') }, 'housing_by_normalized_city'],
  [{ street: 'strée'.normalize('NFD') }, 'housing_by_normalized_street_prefix'],
  [{ q: '5-123 str' }, 'housing_by_split_words'],
]

test.each(filters)('the filter %j alone uses its index', async (filters, index) => {
  const condition = await resolveFilters(db, filters)
  const found = await plan((db) => listHousing(db, { condition, sort: 'id', limit: 101 }))
  expect(found).toContain(index)
  expect(found).not.toContain('Seq Scan on housing h')
})

test.each([
  ["lower(h.city) = lower('CITY 17')", 'housing_by_city_in_any_case'],
  [
    `lower(h.street) collate "C" >= 'street 1234' and lower(h.street) collate "C" < 'street 1235'`,
    'housing_by_street_prefix',
  ],
  [
    "to_tsvector('simple', h.address || ' ' || h.street || ' ' || h.city) @@ '''12345'':*'::tsquery",
    'housing_by_words',
  ],
])('an earlier release, which asks for %s, still has its index', async (condition, index) => {
  const { rows } = await pool.query(
    `explain select * from housing.housing h where ${condition} order by h.id limit 101`,
  )
  expect(rows.map((row) => row['QUERY PLAN']).join('\n')).toContain(index)
})

test.each(sorts.flatMap((sort): Sort[] => [sort, `-${sort}`]))(
  'the order %s alone needs neither a sequential scan nor a sort, on the first page and on a deep one',
  async (sort) => {
    const key = sort.replace('-', '')
    const position = { city: 'City 2', postal_code: 'V3B 1A1', updated_at: '2026-01-02T00:00:00.000Z' }[key]
    const condition = await resolveFilters(db, {})
    for (const after of [undefined, position ? [position, 100000] : [100000]]) {
      const found = await plan((db) => listHousing(db, { condition, sort, limit: 101, ...(after && { after }) }))
      expect(found).toMatch(/Index Scan/)
      expect(found).not.toMatch(/Seq Scan on housing h|Sort/)
    }
  },
)

test('a lookup by id or by postal code uses an index, also in a batch', async () => {
  const byId = (db: Database) => findHousing(db, 17)
  const byPostalCode = (db: Database) => findHousingByPostalCode(db, { postalCode: 'V8V 1A1', limit: 100 })
  expect(await plan(byId)).toContain('housing_pkey')
  expect(await plan(byPostalCode)).not.toContain('Sort')
  expect(await plan(byId, batching)).toMatch(/any/i)
  expect(await plan(byPostalCode, batching)).toContain('Function Scan on key')
  for (const on of [db, batching]) {
    expect(await plan(byId, on)).not.toContain('Seq Scan on housing h')
    const found = await plan(byPostalCode, on)
    expect(found).toContain('housing_by_postal_code')
    expect(found).not.toContain('Seq Scan on housing h')
  }
})

test('the feed looks at few rows for a new change, however little Postgres knows about the change log', async () => {
  const numbering = new Numbering()
  for (let i = 0; i < 5; i++) await numbering.run(db)
  const position = await lastPosition(db)
  expect(position).toBe(200_000)
  /** How many rows and entries of indexes it reads. */
  const read = async (ask: () => Promise<unknown>) => {
    const count = async () => {
      await pool.query('select pg_stat_force_next_flush()')
      const { rows } = await pool.query(`
        select (select sum(seq_tup_read) from pg_stat_user_tables where relname in ('changes', 'feed'))
          + (select sum(idx_tup_read) from pg_stat_user_indexes where relname in ('changes', 'feed')) as sum`)
      return Number(rows[0].sum)
    }
    const before = await count()
    await ask()
    return (await count()) - before
  }
  await pool.query("update housing.housing set city = 'Sooke' where id = 17")
  expect(await read(() => numbering.run(db))).toBeLessThan(100)
  expect(await read(() => findChanges(db, { after: position, limit: 1000 }))).toBeLessThan(100)
  const { entries } = await findChanges(db, { after: position, limit: 1000 })
  expect(entries).toMatchObject([{ change: { id: 17, operation: 'updated' } }])
}, 60_000)
