import { once } from 'node:events'
import { createServer as createTcpServer } from 'node:net'
import { afterAll, expect, test } from 'vitest'
import { apiOver, startApi } from '../../test/support/api.ts'
import { client, expectProblem } from '../../test/support/http.ts'
import { freePort } from '../../test/support/postgres.ts'
import { readConfig } from '../config/config.ts'
import { openDatabase } from '../database/open.ts'
import type { Readiness } from './readiness.ts'

const schema = { expected: '9.9', found: '9.9', ready: true }
const readiness: Readiness = { schema, draining: false }
const { app } = await startApi({ readiness })
const api = client(app)

/** The API on a database server at that port. */
async function apiOn(port: number) {
  const database = await openDatabase(readConfig({ DATABASE_URL: `postgres://x@127.0.0.1:${port}/x` }).database)
  afterAll(database.close)
  const readiness = { schema, draining: false }
  return client(await apiOver(database, { readiness }))
}

const house = { address: '1', street: 'Main', city: 'Victoria', postal_code: 'V8V 1A1', housing_type: 'SFD' }
const v1House = { address: '1', street: 'Main', city: 'Victoria', postal_code: 'V8V 1A1', housing_type_id: 1 }
const types = '/api/v2/housing-types'

async function expectHealth(api: ReturnType<typeof client>, status: number, checks: object) {
  for (const answer of await Promise.all([api.get('/readyz'), api.get('/healthz')])) {
    expect(answer.json()).toEqual({ status: status === 200 ? 'ok' : 'unavailable', auth: 'open', checks })
    expect(answer.statusCode).toBe(status)
    expect(answer.headers['cache-control']).toBe('no-store')
  }
  const alive = await api.get('/livez')
  expect(alive.json()).toEqual({ status: 'ok' })
  expect(alive.statusCode).toBe(200)
  expect(alive.headers['cache-control']).toBe('no-store')
}

/** Expects a 503 to every request that needs the database, in the format of each version. */
async function expectUnavailable(api: ReturnType<typeof client>) {
  const version2 = [
    api.get('/api/v2/housing'),
    api.get('/api/v2/housing/1'),
    api.post('/api/v2/housing', house),
    api.put('/api/v2/housing/1', house, { 'if-match': '*' }),
    api.patch('/api/v2/housing/1', {}, { 'if-match': '*' }),
    api.delete('/api/v2/housing/1', { 'if-match': '*' }),
    api.get(types),
    api.get(`${types}/SFD`),
    api.put(`${types}/TNH`, { description: 'Town House' }),
    api.delete(`${types}/SFD`),
  ]
  for (const answer of await Promise.all(version2)) {
    expectProblem(answer, 503, 'unavailable')
    expect(answer.headers).toMatchObject({ 'retry-after': '1', 'cache-control': 'no-store' })
  }
  const version1 = [
    api.get('/api/v1/housing_type/'),
    api.get('/api/v1/housing_type/SFD'),
    api.get('/api/v1/housing/V8V%201A1'),
    api.post('/api/v1/housing/', v1House),
  ]
  for (const answer of await Promise.all(version1)) {
    expect(answer.json()).toEqual({ detail: expect.stringMatching(/Try again soon\.$/) })
    expect(answer.statusCode).toBe(503)
    expect(answer.headers).toMatchObject({ 'retry-after': '1', 'content-type': 'application/json' })
  }
}

/** Expects the usual answers to requests that need no database. */
async function expectTheRest(api: ReturnType<typeof client>) {
  expect((await api.get('/')).json()).toEqual({ message: 'Sample API' })
  for (const path of ['/docs', '/openapi.json', '/problems/unavailable'])
    expect((await api.get(path)).statusCode, path).toBe(200)
  for (const [status, answer] of [
    [307, api.get('/api/v1/housing')],
    [404, api.get('/nope')],
    [405, api.get('/api/v1/housing/')],
    [422, api.get('/api/v1/housing_type/?skip=x')],
    [422, api.get('/api/v1/housing_type/%00')],
    [422, api.get('/api/v1/housing/V8V?limit=-1')],
    [422, api.post('/api/v1/housing/', {})],
    [422, api.post('/api/v1/housing/', '{')],
    [400, api.get('/api/v2/housing?limit=0')],
    [404, api.get('/api/v2/housing/x')],
    [404, api.get('/api/v2/nope')],
    [405, api.put('/api/v2/housing', house)],
    [406, api.get('/api/v2/housing', { accept: 'text/html' })],
    [415, api.post('/api/v2/housing', '{}', { 'content-type': 'text/plain' })],
    [422, api.post('/api/v2/housing', {})],
    [428, api.delete('/api/v2/housing/1')],
  ] as const)
    expect((await answer).statusCode, (await answer).body).toBe(status)
}

test('it is ready with its database and its schema', () =>
  expectHealth(api, 200, {
    database: { ok: true },
    schema: { ok: true, expected: '9.9', found: '9.9' },
    process: { ok: true, draining: false },
  }))

test('until the schema is ready, only requests that need no data are answered', async () => {
  for (const found of [null, '1.0.0']) {
    readiness.schema = { ...schema, found, ready: false }
    await expectHealth(api, 503, {
      database: { ok: true },
      schema: { ok: false, expected: '9.9', found },
      process: { ok: true, draining: false },
    })
    await expectUnavailable(api)
    await expectTheRest(api)
  }
  readiness.schema = schema
  expect((await api.get('/api/v2/housing?count=exact')).json().total).toBe(0)
  expect((await api.get(types)).json().items).toHaveLength(4)
})

test('while it drains it is not ready but still serves', async () => {
  readiness.draining = true
  await expectHealth(api, 503, {
    database: { ok: true },
    schema: { ok: true, expected: '9.9', found: '9.9' },
    process: { ok: false, draining: true },
  })
  expect((await api.get(types)).statusCode).toBe(200)
  readiness.draining = false
})

const unreachable = {
  database: { ok: false },
  schema: { ok: true, expected: '9.9', found: '9.9' },
  process: { ok: true, draining: false },
}

test('without its database, only requests that need no data are answered', async () => {
  const api = await apiOn(await freePort())
  await expectHealth(api, 503, unreachable)
  await expectUnavailable(api)
  await expectTheRest(api)
})

test('a database that accepts connections and never answers counts as unreachable', async () => {
  const silent = createTcpServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const api = await apiOn((silent.address() as { port: number }).port)
  await expectHealth(api, 503, unreachable)
  expectProblem(await api.get(types), 503, 'unavailable')
  await expectTheRest(api)
  silent.close()
})
