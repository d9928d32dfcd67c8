import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { startApi } from '../../../test/support/api.ts'
import { client, expectProblem, library as house } from '../../../test/support/http.ts'

const { app, db } = await startApi()
const api = client(app)

const create = { op: 'create', house }
const batch = (operations: unknown, headers: Record<string, string> = {}) =>
  api.post('/api/v2/housing/batch', { operations }, headers)
const list = async () => (await api.get('/api/v2/housing')).json().items

test('a batch runs its operations in order and reports what each one did', async () => {
  const answer = await batch([
    create,
    { op: 'update', id: 1, version: 1, house: { city: 'Oak Bay' } },
    { op: 'update', id: 1, version: 2, house: {} },
    { ...create, house: { ...house, address: ' 2 ' } },
    { op: 'delete', id: 1, version: 2 },
  ])
  expect(answer.statusCode).toBe(200)
  const { results } = answer.json()
  expect(results).toMatchObject([
    { op: 'create', id: 1, version: 1, house: { ...house, id: 1, version: 1 } },
    { op: 'update', id: 1, version: 2, house: { city: 'Oak Bay', version: 2 } },
    { op: 'update', id: 1, version: 2, house: { city: 'Oak Bay', version: 2 } },
    { op: 'create', id: 2, version: 1, house: { address: '2' } },
    { op: 'delete', id: 1, version: 3 },
  ])
  expect(results[4].house).toBeUndefined()
  expect(await list()).toEqual([results[3].house])
  const { items } = (await api.get('/api/v2/housing/1/versions')).json()
  expect(items.map(({ operation }: { operation: string }) => operation)).toEqual(['deleted', 'updated', 'created'])
})

test.each([
  [
    { ...create, house: { ...house, housing_type: 'TNH' } },
    422,
    'unknown-housing-type',
    ['/operations/1/house/housing_type'],
  ],
  [{ op: 'update', id: 9, version: 1, house: {} }, 404, 'not-found', []],
  [{ op: 'delete', id: 9, version: 1 }, 404, 'not-found', []],
  [{ op: 'update', id: 1, version: 7, house: { city: 'x' } }, 409, 'version-conflict', []],
  [{ op: 'delete', id: 1, version: 2 }, 409, 'version-conflict', []],
])('%j fails, is reported by its index, and undoes the whole batch', async (operation, status, code, places) => {
  await batch([create])
  const before = await list()
  const answer = await batch([create, operation, create])
  expectProblem(answer, status, code, places)
  expect(answer.json().index).toBe(1)
  if (status === 409) expect(answer.json().current_version).toBe(1)
  expect(await list()).toEqual(before)
})

test('all errors in the operations are reported at once, and nothing is done', async () => {
  const operations = [
    { op: 'create', house: { ...house, city: '', extra: 1 } },
    { op: 'update', id: 0, version: 1, house: { postal_code: 'x' } },
    { op: 'update', id: 1, house: null },
    { op: 'delete', id: 1, version: 1, house },
    { op: 'merge' },
    {},
    7,
  ]
  expectProblem(await batch(operations), 422, 'invalid-body', [
    '/operations/0/house/city',
    '/operations/0/house/extra',
    '/operations/1/house/postal_code',
    '/operations/1/id',
    '/operations/2/house',
    '/operations/2/version',
    '/operations/3/house',
    '/operations/4/op',
    '/operations/5/op',
    '/operations/6',
  ])
  expectProblem(await batch([]), 422, 'invalid-body', ['/operations'])
  expectProblem(await batch(Array(1001).fill(create)), 422, 'invalid-body', ['/operations'])
  expectProblem(await api.post('/api/v2/housing/batch', { ops: [] }), 422, 'invalid-body', ['/operations', '/ops'])
  expect(await list()).toEqual([])
})

test('an invalid body is reported with the index of its first invalid operation', async () => {
  const answer = await batch([create, { ...create, house: {} }, { op: 'delete' }])
  expect(answer.statusCode).toBe(422)
  expect(answer.json().index).toBe(1)
  expect((await batch([])).json()).not.toHaveProperty('index')
})

test('a body with very many errors is rejected with the first hundred', async () => {
  const wrong = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`m${i}`, 0]))
  const answer = await batch(Array(1000).fill({ op: 'create', house: wrong }))
  expect(answer.statusCode).toBe(422)
  const { errors, detail } = answer.json()
  expect(errors).toHaveLength(100)
  expect(errors[99].pointer).toMatch(/^\/operations\/2\//)
  // What was found is not far beyond the hundred: the other operations were not looked at.
  expect(Number(/ And at least (\d+) more\.$/.exec(detail)?.[1])).toBeLessThan(140)
})

test('reading ends at the first operation beyond the limit, even if what follows is not JSON', async () => {
  for (const operation of ['{}', '[]', '0', '""', JSON.stringify(create)]) {
    const answer = await api.post('/api/v2/housing/batch', `{"operations":[${`${operation},`.repeat(1000)}nonsense`)
    expectProblem(answer, 422, 'invalid-body', ['/operations'])
    expect(answer.json().detail).toBe('/operations must have at most 1000 items.')
  }
  const nested = `{"operations":[{},{"op":"create","house":{"city":[${'0,'.repeat(1000)}`
  expectProblem(await api.post('/api/v2/housing/batch', nested), 422, 'invalid-body', ['/operations/1/house/city'])
})

test('a conflict within a batch reports the version that is still stored', async () => {
  await batch([create])
  const update = { op: 'update', id: 1, version: 1, house: { city: 'Oak Bay' } }
  const remove = { op: 'delete', id: 1, version: 1 }
  for (const operations of [
    [update, { ...update, house: { city: 'Sooke' } }],
    [remove, { ...update, version: 2 }],
    [remove, remove],
  ]) {
    const answer = await batch(operations)
    expectProblem(answer, 409, 'version-conflict')
    expect(answer.json()).toMatchObject({ index: 1, current_version: 1 })
  }
  expect(await list()).toMatchObject([{ id: 1, version: 1, city: 'Victoria' }])
})

test('a thousand operations of full length fit into a body, and one MiB is its limit', async () => {
  const long = { ...house, address: '😀'.repeat(50), street: '😀'.repeat(50), city: '😀'.repeat(50) }
  const first = { op: 'delete', id: 1, version: 1 } // fails, as a thousand inserts may take longer than a busy machine has
  const answer = await batch([first, ...Array(999).fill({ op: 'create', house: long })])
  expectProblem(answer, 404, 'not-found')
  expect(answer.json().index).toBe(0)
  const tooLarge = await api.post('/api/v2/housing/batch', `"${'x'.repeat(1024 * 1024)}"`)
  expectProblem(tooLarge, 413, 'body-too-large')
  expect(tooLarge.json().detail).toContain('1048576')
})

test('the path of batches accepts no other method', async () => {
  for (const method of ['GET', 'PUT', 'PATCH', 'DELETE'] as const) {
    const answer = await api.send(method, '/api/v2/housing/batch')
    expectProblem(answer, 405, 'method-not-allowed')
    expect(answer.headers.allow).toBe('POST')
  }
})

test('a batch with an Idempotency-Key is done only once', async () => {
  const key = { 'idempotency-key': 'a batch'.replace(' ', '-') }
  const first = await batch([create, create], key)
  const again = await batch([create, create], key)
  expect(again.headers['idempotency-replayed']).toBe('true')
  expect(again.body).toBe(first.body)
  expect(await list()).toHaveLength(2)
  await sql`delete from housing.idempotency_keys`.execute(db)
})

test('batches in opposite order do not deadlock: one succeeds, the others report a stale version', async () => {
  await batch(Array(20).fill(create))
  const ids = Array.from({ length: 20 }, (_, i) => i + 1)
  for (let round = 0; round < 3; round++) {
    const version = (await list())[0].version
    const update = (city: string) => (id: number) => ({ op: 'update', id, version, house: { city } })
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => {
        const operations = ids.map(update(`${round} ${i}`))
        return batch(i % 2 === 0 ? operations : operations.reverse())
      }),
    )
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, ...Array(7).fill(409)])
    expect(new Set((await list()).map((one: { city: string }) => one.city)).size).toBe(1)
  }
})
