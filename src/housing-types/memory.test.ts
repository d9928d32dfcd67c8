import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { sql } from 'kysely'
import { afterAll, expect, test } from 'vitest'
import { apiOver, backend, startApi } from '../../test/support/api.ts'
import { client } from '../../test/support/http.ts'
import { Notices } from '../database/listen.ts'
import { openDatabase } from '../database/open.ts'
import type { Database } from '../database/tables.ts'

const types = '/api/v2/housing-types'
const soon = { timeout: 10_000 }

const { app, db, database, settings } = await startApi()
const unheard = await apiOver({ ...database, listen: () => new Notices() })
// On a server a second process has its own connections; an embedded folder is for one process.
const second = backend === 'server' ? await openDatabase(settings) : database
const other = await apiOver(second)
afterAll(async () => {
  await unheard.close()
  await other.close()
  if (second !== database) await second.close()
})

/** Whether it answers while the table is locked. */
const answersFromMemory = (app: FastifyInstance) =>
  db.transaction().execute(async (tx) => {
    await sql`lock table housing.housing_types in access exclusive mode`.execute(tx)
    return Promise.race([app.inject(types).then(({ statusCode }) => statusCode === 200), sleep(500, false)])
  })

/** Waits until it answers from memory; after a change it has to read the table first. */
const inMemory = (app: FastifyInstance) =>
  expect
    .poll(async () => {
      await app.inject(types)
      return answersFromMemory(app)
    }, soon)
    .toBe(true)

const describe = (db: Database, description: string) =>
  sql`update housing.housing_types set description = ${description} where code = 'COP'`.execute(db)

const description = async (app: FastifyInstance) => (await app.inject(`${types}/COP`)).json().description

/** Does the work while clients read all the time. */
async function whileReading(work: () => Promise<void>): Promise<void> {
  let done = false
  const readers = [app, other].map(async (app) => {
    while (!done) {
      expect((await app.inject(types)).statusCode).toBe(200)
      await setImmediate() // otherwise nothing but reads would run
    }
  })
  await Promise.all([work().finally(() => (done = true)), ...readers])
}

test('types come from memory while the API is notified of changes, otherwise from the database', async () => {
  await inMemory(app)
  expect(await answersFromMemory(unheard)).toBe(false)
})

test('memory and database give the same bytes, with the same headers', async () => {
  await sql`insert into housing.housing_types (code, description) values ('ß ', 'Überdacht 🏠'), ('', 'Unnamed')`.execute(
    db,
  )
  const v1 = '/api/v1/housing_type/'
  const urls = [
    ...['', '/SFD', '/COP', '/XXX', '/sfd', '/SFD%20'].map((path) => types + path),
    ...[
      '',
      '?skip=1',
      '?limit=2',
      '?skip=3&limit=2',
      '?limit=0',
      '?skip=9223372036854775807&limit=9223372036854775807',
    ],
    ...['SFD', 'SFD%20%20', 'SF', 'SFDX', 'SFD%0A', '%C3%9F', '%C3%9F%20%20%20%20', '%20', '%20%20%20%20', 'SFD%00'],
  ].map((url) => (url.startsWith(types) ? url : v1 + url))
  await inMemory(app)
  for (const url of urls)
    for (const headers of [{}, { 'if-none-match': '*' }, { 'x-request-id': 'same' }])
      for (const method of ['GET', 'HEAD'] as const) {
        const [a, b] = await Promise.all([app, unheard].map((app) => app.inject({ method, url, headers })))
        const seen = [a, b].map((answer) => {
          const { date, 'x-request-id': id, ...rest } = answer?.headers ?? {}
          return { status: answer?.statusCode, headers: rest, body: answer?.body.replace(String(id), 'id') }
        })
        expect(seen[0], `${method} ${url}`).toEqual(seen[1])
      }
})

test('a client that already has the types gets a 304 from memory too', async () => {
  await inMemory(app)
  for (const url of [types, `${types}/SFD`]) {
    const { headers } = await app.inject(url)
    const again = await app.inject({ url, headers: { 'if-none-match': String(headers.etag) } })
    expect([again.statusCode, again.body, again.headers.etag]).toEqual([304, '', headers.etag])
  }
})

test('a client reads its own writes, also while others read', async () => {
  const api = client(app)
  await inMemory(app)
  await whileReading(async () => {
    for (let i = 0; i < 10; i++) {
      const { headers } = await api.put(`${types}/COP`, { description: `Written ${i}` })
      const [list, one, v1] = [
        await api.get(types),
        await api.get(`${types}/COP`),
        await api.get('/api/v1/housing_type/COP'),
      ]
      expect(list.json().items).toContainEqual({ code: 'COP', description: `Written ${i}` })
      expect([one.json().description, one.headers.etag]).toEqual([`Written ${i}`, headers.etag])
      expect(v1.json().description).toBe(`Written ${i}`)
      await api.put(`${types}/TNH`, { description: 'Town House' })
      expect((await api.get(`${types}/TNH`)).statusCode).toBe(200)
      await api.delete(`${types}/TNH`)
      expect((await api.get(`${types}/TNH`)).statusCode).toBe(404)
    }
  })
})

test('a change by SQL is noticed: a row is changed, added or deleted, or the table is truncated', async () => {
  await inMemory(app)
  await describe(db, 'By SQL')
  await expect.poll(() => description(app), soon).toBe('By SQL')
  const codes = async () => (await app.inject(types)).json().items.map(({ code }: { code: string }) => code)
  await inMemory(app)
  await sql`insert into housing.housing_types (code, description) values ('TNH', 'Town House')`.execute(db)
  await expect.poll(codes, soon).toContain('TNH')
  await inMemory(app)
  await sql`delete from housing.housing_types where code = 'TNH'`.execute(db)
  await expect.poll(codes, soon).not.toContain('TNH')
  await inMemory(app)
  const kept = await db.selectFrom('housing.housing_types').selectAll().execute()
  await sql`truncate housing.housing_types cascade`.execute(db)
  await expect.poll(codes, soon).toEqual([])
  await db.insertInto('housing.housing_types').values(kept).execute()
  await expect.poll(codes, soon).toHaveLength(kept.length)
})

test('a change by another process is seen, and a change that is rolled back is not', async () => {
  await inMemory(app)
  await inMemory(other)
  await client(other).put(`${types}/COP`, { description: 'By the other' })
  await expect.poll(() => description(app), soon).toBe('By the other')
  await client(app).put(`${types}/COP`, { description: 'By the one' })
  await expect.poll(() => description(other), soon).toBe('By the one')
  await db
    .transaction()
    .execute(async (tx) => {
      await describe(tx, 'Rolled back')
      throw new Error('on purpose')
    })
    .catch(() => {})
  expect(await description(app)).toBe('By the one')
})

test('after many changes in a row the last one is kept', async () => {
  await whileReading(async () => {
    for (let i = 1; i <= 50; i++) await describe(db, `Change ${i}`)
  })
  for (const each of [app, other]) {
    await expect.poll(() => description(each), soon).toBe('Change 50')
    await inMemory(each)
    expect(await description(each)).toBe('Change 50')
  }
})
