import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { LightMyRequestResponse } from 'fastify'
import { Kysely, PostgresDialect, sql } from 'kysely'
import pg from 'pg'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { openDatabase } from '../src/database/open.ts'
import { reliable } from '../src/database/pool.ts'
import { openPool } from '../src/database/postgres.ts'
import type { Database } from '../src/database/tables.ts'
import { findHousing } from '../src/housing/gathered.ts'
import { bringUpOnce } from '../src/migrations/bring-up.ts'
import { readMigrations } from '../src/migrations/files.ts'
import { apiOver, ownDatabase } from './support/api.ts'
import { client, expectProblem } from './support/http.ts'

const { settings, url, drop } = await ownDatabase()
const database = await openDatabase(settings)
await bringUpOnce(database, readMigrations())
const { db } = database
/** The same database, with one query for each request. */
const plainDb: Database = new Kysely({
  dialect: new PostgresDialect({
    pool: reliable(openPool(settings as Parameters<typeof openPool>[0])),
  }),
})
const [app, plain] = [await apiOver(database), await apiOver({ ...database, db: plainDb })]
const api = client(app)
const other = new pg.Client(url)
await other.connect()

afterAll(async () => {
  await app.close()
  await plain.close()
  await other.end()
  await plainDb.destroy()
  await database.close()
  await drop()
})
beforeEach(async () => {
  await other.query('drop trigger if exists judge on housing.housing; truncate housing.housing')
})

const codes = Array.from({ length: 60 }, (_, i) => `V8V ${i % 10}A${Math.floor(i / 10)}`)
const random = (n: number) => Math.floor(Math.random() * n)
const any = <T>(values: T[]): T => values[random(values.length)] as T

const house = { address: '1', street: 'Main', city: 'Victoria', postal_code: 'V8V 1A1' }
const post = (street: string, housing_type = 'SFD') => api.post('/api/v2/housing', { ...house, street, housing_type })
const postVersion1 = (street: string, housing_type_id = 2) =>
  api.post('/api/v1/housing/', { ...house, street, housing_type_id })

/** Runs the body for every row before it is inserted. */
async function onInsert(body: string): Promise<void> {
  await other.query(`
    create or replace function judge() returns trigger language plpgsql as $$ begin ${body}; return new; end $$;
    create trigger judge before insert on housing.housing for each row execute function judge()`)
}
const stored = async () => (await other.query('select id, street from housing.housing order by id')).rows

describe('questions asked at once', () => {
  test('4,000 lookups, many at once, get the same answers, byte for byte, as each alone', async () => {
    const { rows } = await sql<{ id: number }>`
    insert into housing.housing (address, street, city, postal_code, housing_type_id)
    select i::text, 'Éire ' || i, 'Québec', (${codes}::text[])[1 + i * i % 60], 1 + i % 4
    from generate_series(1, 500) i returning id`.execute(db)
    const least = rows[0]?.id as number
    const urls = Array.from({ length: 4000 }, () =>
      any([
        `/api/v2/housing/${least + random(600)}`,
        `/api/v2/housing?postal_code=${any(codes).replace(' ', '')}&limit=${1 + random(20)}`,
        `/api/v1/housing/${any(codes)}`.replace(' ', '%20'),
        `/api/v1/housing/${any(codes)}?skip=${random(5)}&limit=${random(9)}`.replace(' ', '%20'),
        `/api/v1/housing/${any(codes)}?limit=${any(['1001', '9223372036854775807'])}`.replace(' ', '%20'),
      ]),
    )
    const expected = new Map<string, string>()
    for (const url of new Set(urls)) expected.set(url, told(await plain.inject(url)))
    // Fewer at once than a busy machine answers within the second that a question may wait for a connection.
    for (let i = 0; i < urls.length; i += 250) {
      const some = urls.slice(i, i + 250)
      const answers = await Promise.all(some.map((url) => app.inject(url)))
      for (const [i, answer] of answers.entries()) expect(told(answer), some[i]).toBe(expected.get(some[i] as string))
    }
  }, 120_000)

  /** An answer without the parts that differ each time. */
  const told = ({ statusCode, headers, body }: LightMyRequestResponse) =>
    [statusCode, headers.etag, headers.link, body.replace(/"request_id":"[^"]*"/, '')].join('\n')

  test('of houses created at once only those of an unknown type fail, and each client gets its own back', async () => {
    const kinds = Array.from({ length: 600 }, (_, i) => (i % 20 === 7 ? 'unknown' : 'known'))
    const answers = await Promise.all(
      kinds.map((kind, i) =>
        i % 2 === 0
          ? post(`Street ${i}`, kind === 'known' ? any(['SFD', 'COP']) : 'XYZ')
          : postVersion1(`Street ${i}`, kind === 'known' ? 2 : any([-1, 99])),
      ),
    )
    const told = answers.map((answer, i) => {
      if (kinds[i] === 'known') {
        expect(answer.statusCode).toBe(i % 2 === 0 ? 201 : 200)
        const { id, housing_id = id, street } = answer.json()
        return { id: housing_id, street }
      }
      if (i % 2 === 0) expectProblem(answer, 422, 'unknown-housing-type', ['/housing_type'])
      else expect([answer.statusCode, answer.json()]).toEqual([422, { detail: 'Invalid housing_type_id' }])
      return undefined
    })
    const good = told.filter((row) => row !== undefined)
    expect(good.map(({ street }) => street)).toEqual(
      kinds.flatMap((kind, i) => (kind === 'known' ? [`Street ${i}`] : [])),
    )
    expect(good.toSorted((a, b) => a.id - b.id)).toEqual(await stored())
    const { rows } = await other.query('select count(distinct xmin::text)::int as commits from housing.housing')
    expect(rows[0].commits).toBeLessThan(good.length / 4)
  })

  test('a house that Postgres rejects fails alone', async () => {
    await onInsert(`if new.street = 'cursed' then raise exception 'no'; end if`)
    const answers = await Promise.all(['a', 'b', 'cursed', 'c', 'd'].map((street) => post(street)))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual([201, 201, 422, 201, 201])
    expect((await stored()).map(({ street }) => street).sort()).toEqual(['a', 'b', 'c', 'd'])
  })

  test('if the connection is lost the outcome is unknown, and nothing is tried again', async () => {
    await onInsert('perform pg_sleep(3)')
    const answers = Promise.all(['a', 'b', 'c'].map((street) => post(street)))
    const inserting = `select pid from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`
    let pids: { pid: number }[] = []
    while (pids.length === 0) {
      await sleep(10)
      pids = (await other.query(inserting)).rows
    }
    await onceMore('perform pg_sleep(0)')
    for (const { pid } of pids) await other.query('select pg_terminate_backend($1)', [pid])
    for (const answer of await answers) {
      expectProblem(answer, 503, 'outcome-unknown')
      expect(answer.headers['retry-after']).toBe('1')
    }
    expect(await stored()).toEqual([])
    expect((await post('d')).statusCode).toBe(201)
  })

  /** Replaces only the function, which does not wait for running inserts. */
  const onceMore = (body: string) =>
    other.query(
      `create or replace function judge() returns trigger language plpgsql as $$ begin ${body}; return new; end $$`,
    )

  test('a client always reads its own writes', async () => {
    const requests = async (client: number) => {
      for (let i = 0; i < 10; i++) {
        const written = any([post, postVersion1])(`${client}-${i}`)
        const { id, housing_id = id } = (await written).json()
        const path = `/api/v2/housing/${housing_id}`
        expect((await api.get(path)).json()).toMatchObject({ street: `${client}-${i}`, version: 1 })
        await api.patch(path, { city: 'Oak Bay' }, { 'if-match': '*' })
        const { items } = (await api.get('/api/v2/housing?postal_code=V8V1A1&limit=1000')).json()
        const found = items.find((item: { id: number }) => item.id === housing_id)
        expect(found).toMatchObject({ city: 'Oak Bay', version: 2 })
        await api.delete(path, { 'if-match': '*' })
        expect((await api.get(path)).statusCode).toBe(404)
      }
    }
    await Promise.all(Array.from({ length: 40 }, (_, client) => requests(client)))
  }, 120_000)

  test('once ten thousand lookups wait, the next one is rejected at once and the others are answered', async () => {
    const { id } = (await post('a')).json()
    await other.query('begin; lock table housing.housing')
    const waiting = Array.from({ length: 10_000 }, () => findHousing(db, id))
    await turn() // 32 of them are under way
    waiting.push(...Array.from({ length: 32 }, () => findHousing(db, id)))
    const refused = await api.get(`/api/v2/housing/${id}`)
    await other.query('rollback')
    expectProblem(refused, 503, 'unavailable')
    expect(refused.headers['retry-after']).toBe('1')
    for (const found of await Promise.all(waiting)) expect(found?.street).toBe('a')
  }, 60_000)
})

describe('a connection that fails', () => {
  test('a connection whose prepared statements are gone is replaced', async () => {
    const { id } = (await post('a')).json()
    await Promise.all(
      Array.from({ length: 10 }, () =>
        db.transaction().execute(async (connection) => {
          await sql`deallocate all`.execute(connection)
          await sql`select pg_sleep(0.5)`.execute(connection) // long enough for each to get its own connection
        }),
      ),
    )
    const answers = await Promise.all(Array.from({ length: 100 }, () => api.get(`/api/v2/housing/${id}`)))
    expect(answers.map(({ statusCode }) => statusCode)).toEqual(Array(100).fill(200))
    expect((await post('b')).statusCode).toBe(201)
  })

  test('a read whose connection is killed is sent again, a write reports an unknown outcome', async () => {
    const { id } = (await post('a')).json()
    const kill = async () => {
      await other.query('select pg_stat_clear_snapshot()') // otherwise the view does not change within a transaction
      return other.query(`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'sample-api' and wait_event_type = 'Lock' and datname = current_database()`)
    }
    const whileKilled = async (ask: () => Promise<LightMyRequestResponse>) => {
      await other.query('begin; lock table housing.housing')
      const answer = ask().then((answer) => answer) // `then` sends it
      await expect.poll(async () => (await kill()).rowCount).toBeGreaterThan(0)
      await other.query('rollback')
      return answer
    }
    expect((await whileKilled(() => api.get(`/api/v2/housing/${id}`))).statusCode).toBe(200)
    expect((await whileKilled(() => api.get('/api/v2/housing?city=victoria'))).statusCode).toBe(200)
    expect((await whileKilled(() => api.get('/api/v2/housing?housing_type=SFD&count=exact'))).statusCode).toBe(200)
    const change = () => api.patch(`/api/v2/housing/${id}`, { city: 'Hope' }, { 'if-match': '*' })
    expectProblem(await whileKilled(change), 503, 'outcome-unknown')
    expectProblem(await whileKilled(() => post('c')), 503, 'outcome-unknown')
  })

  test('on a server that has become a standby, writes are rejected, reads go on, and the API is not ready', async () => {
    const { id } = (await post('a')).json()
    const name = new URL(url).pathname.slice(1)
    const readOnly = async (value: string) => {
      await other.query(`alter database ${name} set default_transaction_read_only = ${value}`)
      await other.query(`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'sample-api' and datname = current_database()`)
    }
    await readOnly('on')
    expect((await api.get('/readyz')).statusCode).toBe(503)
    expect((await api.get(`/api/v2/housing/${id}`)).statusCode).toBe(200)
    expectProblem(await post('b'), 503, 'unavailable')
    expectProblem(await api.delete(`/api/v2/housing/${id}`, { 'if-match': '*' }), 503, 'unavailable')
    await other.query(`alter database ${name} reset default_transaction_read_only`)
    // Each rejected write also closes its connection to the standby.
    await expect.poll(async () => (await post('c')).statusCode).toBe(201)
    await expect.poll(async () => (await api.get('/readyz')).statusCode).toBe(200)
  })
})
