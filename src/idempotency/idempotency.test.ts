import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { backend, startApi } from '../../test/support/api.ts'
import { client, expectProblem, library as house } from '../../test/support/http.ts'

const { app, db } = await startApi()
const api = client(app)

const post = (key: string, body: unknown = house, headers: Record<string, string> = {}) =>
  api.post('/api/v2/housing', body, { 'idempotency-key': key, ...headers })
const count = async () => (await api.get('/api/v2/housing?count=exact')).json().total

test('a retry gets the same answer, byte for byte, and does nothing', async () => {
  const key = randomUUID()
  const first = await post(key)
  expect(first.statusCode).toBe(201)
  expect(first.headers['idempotency-replayed']).toBeUndefined()
  await api.patch('/api/v2/housing/1', { city: 'Oak Bay' }, { 'if-match': '*' })
  for (const spelling of [key, `"${key}"`]) {
    const again = await post(spelling)
    expect(again.statusCode).toBe(201)
    expect(again.rawPayload.equals(first.rawPayload)).toBe(true)
    expect(again.headers['idempotency-replayed']).toBe('true')
    for (const name of ['location', 'etag', 'content-type', 'cache-control'])
      expect(again.headers[name], name).toBe(first.headers[name])
  }
  expect(await count()).toBe(1)
})

test('an answer with a key is the same as without', async () => {
  const [plain, keyed] = [await api.post('/api/v2/housing', house), await post(randomUUID())]
  const withoutLuck = ({ body }: { body: string }) => body.replace(/"id":\d+/, '').replace(/"20[^"]*"/g, '')
  expect(withoutLuck(keyed)).toBe(withoutLuck(plain))
  expect(Object.keys(keyed.headers).sort()).toEqual(Object.keys(plain.headers).sort())
})

test('a key that comes with a different request is rejected', async () => {
  const key = randomUUID()
  await post(key)
  const others = [
    () => post(key, { ...house, city: 'Oak Bay' }),
    () => post(key, `${JSON.stringify(house)} `),
    () => post(key, house, { 'if-match': '*' }),
    () =>
      api.send('POST', '/api/v2/housing/1/versions/1/restore', undefined, { 'idempotency-key': key, 'if-match': '*' }),
  ]
  for (const send of others) expectProblem(await send(), 422, 'idempotency-key-reused')
  expect(await count()).toBe(1)
})

test('a failure is not stored, and the same key can be used again', async () => {
  const key = randomUUID()
  expectProblem(await post(key, { ...house, housing_type: 'TNH' }), 422, 'unknown-housing-type', ['/housing_type'])
  expectProblem(await post(key, { ...house, city: '' }), 422, 'invalid-body', ['/city'])
  expect((await post(key)).statusCode).toBe(201)
})

test.each(['', '""', ' ', 'a b', 'é', 'x'.repeat(256), `"${'x'.repeat(256)}"`])('the key %j is a 400', async (key) => {
  expectProblem(await post(key), 400, 'malformed-request')
  expect(await count()).toBe(0)
})

test.each(['x', 'x'.repeat(255), `"${'x'.repeat(255)}"`, '!~"#,', '"'])('the key %j is accepted', async (key) => {
  expect((await post(key)).statusCode).toBe(201)
  expect((await post(key)).headers['idempotency-replayed']).toBe('true')
  await sql`delete from housing.idempotency_keys`.execute(db)
})

test('of fifty identical requests one does the work, and none gets a different answer', async () => {
  const key = randomUUID()
  const answers = await Promise.all(Array.from({ length: 50 }, () => post(key)))
  const done = answers.filter(({ statusCode }) => statusCode === 201)
  expect(new Set(done.map(({ body }) => body)).size).toBe(1)
  expect(done.filter(({ headers }) => !headers['idempotency-replayed'])).toHaveLength(1)
  for (const answer of answers.filter(({ statusCode }) => statusCode !== 201)) {
    expectProblem(answer, 409, 'idempotency-key-in-use')
    expect(answer.headers['retry-after']).toBe('1')
  }
  expect((await post(key)).body).toBe(done[0]?.body)
  expect(await count()).toBe(1)
})

test('a key is forgotten after 24 hours by the database’s clock, and deleted', async () => {
  const [key, ...old] = Array.from({ length: 15 }, () => randomUUID())
  for (const each of [key, ...old]) await post(String(each))
  await sql`update housing.idempotency_keys set created_at = now() - interval '24 hours'`.execute(db)
  const again = await post(String(key))
  expect(again.statusCode).toBe(201)
  expect(again.json().id).toBe(16)
  await post(randomUUID())
  const { rows } = await sql<{ key: string }>`select key from housing.idempotency_keys`.execute(db)
  expect(rows).toHaveLength(2)
})

test('restoring with a key is done only once too', async () => {
  await api.post('/api/v2/housing', house)
  await api.patch('/api/v2/housing/1', { city: 'Oak Bay' }, { 'if-match': '*' })
  const key = { 'idempotency-key': randomUUID(), 'if-match': '*' }
  const restore = (headers = {}) =>
    api.send('POST', '/api/v2/housing/1/versions/1/restore', undefined, { ...key, ...headers })
  const first = await restore()
  expect(first.json().version).toBe(3)
  await api.patch('/api/v2/housing/1', { city: 'Saanich' }, { 'if-match': '*' })
  for (const headers of [{}, { 'content-type': 'application/json' }]) {
    const again = await restore(headers)
    expect(again.body).toBe(first.body)
    expect(again.headers).toMatchObject({ 'idempotency-replayed': 'true', etag: '"1-3"' })
  }
  expect((await api.get('/api/v2/housing/1')).json().city).toBe('Saanich')
})

test('an earlier release, which knows no callers, serves the same table beside this one', async () => {
  // Its statements.
  const find = (key: string) =>
    sql`
    select fingerprint, status, headers, body from housing.idempotency_keys
    where key = ${key} and created_at > now() - interval '24 hours'`.execute(db)
  const store = async (key: string) => {
    await sql`
      delete from housing.idempotency_keys
      where created_at <= now() - interval '24 hours' and (key = ${key} or key in (
        select key from housing.idempotency_keys order by created_at limit 10 for update skip locked))`.execute(db)
    await sql`
      insert into housing.idempotency_keys (key, fingerprint, status, headers, body)
      select ${key}, fingerprint, status, headers, '{"by":"the earlier release"}'
      from housing.idempotency_keys where key = 'ours'`.execute(db)
  }
  const first = await post('ours')
  expect((await find('ours')).rows).toEqual([expect.objectContaining({ status: 201, body: first.body })])
  await store('theirs')
  expect((await post('theirs')).json()).toEqual({ by: 'the earlier release' })
  await expect(store('ours')).rejects.toMatchObject({ constraint: 'idempotency_keys_pkey' })

  await sql`update housing.idempotency_keys set created_at = now() - interval '24 hours' where key = 'theirs'`.execute(
    db,
  )
  await store('theirs')
  expect((await post('theirs')).json()).toEqual({ by: 'the earlier release' })

  await db.transaction().execute(async (tx) => {
    await sql`select pg_try_advisory_xact_lock(hashtextextended('locked', 0))`.execute(tx)
    if (backend === 'server') expectProblem(await post('locked'), 409, 'idempotency-key-in-use')
  })
})
