import { sql } from 'kysely'
import { beforeEach, describe, expect, test } from 'vitest'
import { apiOver, startApi } from '../../../test/support/api.ts'
import { client, expectProblem, library as house } from '../../../test/support/http.ts'

const { app, db, database } = await startApi()
let api = client(app)
// The feed of one API remembers for a while what is in the database, which is emptied between the tests.
beforeEach(async () => {
  const app = await apiOver(database)
  api = client(app)
  return () => app.close()
})
const housing = '/api/v2/housing'
const changes = `${housing}/changes`

const page = async (query = '') => {
  const answer = await api.get(`${changes}${query}`)
  expect(answer.statusCode, answer.body).toBe(200)
  return answer.json()
}

test('the feed has every change once, in order, with the house after it', async () => {
  expect(await page()).toEqual({ items: [], next: 0 })
  const first = (await api.post(housing, house)).json()
  await api.patch(`${housing}/1`, { city: 'Oak Bay' }, { 'if-match': '*' })
  await api.delete(`${housing}/1`, { 'if-match': '*' })
  const { items, next } = await page()
  expect(items.map(({ operation, id, version }: Record<string, unknown>) => [operation, id, version])).toEqual([
    ['created', 1, 1],
    ['updated', 1, 2],
    ['deleted', 1, 3],
  ])
  expect(items[0].house).toEqual(first)
  expect(items[1].house).toMatchObject({ city: 'Oak Bay', version: 2 })
  expect(items[2].house).toEqual(items[1].house)
  expect(next).toBe(items[2].position)
  expect(await page(`?after=${next}`)).toEqual({ items: [], next })
  expect((await page(`?after=${items[0].position}&limit=1`)).items).toEqual([items[1]])
})

test('a change by SQL, by a batch, by an import and by a restore is in it', async () => {
  await sql`insert into housing.housing (address, street, city, postal_code, housing_type_id)
    values ('1', 'x', 'y', 'V8W 1P6', 1)`.execute(db)
  await api.post(`${housing}/batch`, { operations: [{ op: 'create', house }] })
  const file = `${Object.keys(house).join()}\n${Object.values(house).join()}\n`
  await api.post(`${housing}/import`, file, { 'content-type': 'text/csv' })
  await api.post('/api/v1/housing', { ...house, housing_type: undefined, housing_type_id: 1 })
  await api.delete(`${housing}/2`, { 'if-match': '*' })
  await api.post(`${housing}/2/versions/1/restore`, undefined)
  const { items } = await page()
  expect(items.map(({ operation, id }: Record<string, unknown>) => `${operation} ${id}`)).toEqual([
    'created 1',
    'created 2',
    'created 3',
    'deleted 2',
    'restored 2',
  ])
})

describe('filters', () => {
  test.each([
    ['?id=2', [2, 4]],
    ['?housing_type=SFD', [1, 3]],
    ['?housing_type=MFD,ASL', [2, 4]],
    ['?housing_type=COP', [3, 4]],
    ['?postal_code=v8w', [1, 3]],
    ['?postal_code=V9A1A1', [2, 4]],
    ['?postal_code=V9A1A1&housing_type=SFD', []],
    ['?housing_type=XYZ', []],
  ])('%s', async (query, expected) => {
    await api.post(housing, { ...house, housing_type: 'SFD', postal_code: 'V8W 1P6' })
    await api.post(housing, { ...house, housing_type: 'MFD', postal_code: 'V9A 1A1' })
    await api.patch(`${housing}/1`, { housing_type: 'COP' }, { 'if-match': '*' })
    await api.patch(`${housing}/2`, { housing_type: 'COP' }, { 'if-match': '*' })
    const { items, next } = await page()
    const places = new Map(items.map(({ position }: { position: number }, i: number) => [position, i + 1]))
    const filtered = await page(query)
    expect(filtered.items.map(({ position }: { position: number }) => places.get(position))).toEqual(expected)
    expect(filtered.next).toBe(next)
    expect((await page(`${query}&limit=1`)).items).toEqual(filtered.items.slice(0, 1))
  })
})

test('a position that the feed has not given is a 410', async () => {
  await api.post(housing, house)
  const { next } = await page()
  expectProblem(await api.get(`${changes}?after=${next + 1}`), 410, 'position-gone')
  expectProblem(await api.get(`${changes}?after=${10 ** 14}`), 410, 'position-gone')
})

test('an invalid parameter is a 400', async () => {
  for (const name of ['after', 'wait', 'limit', 'id'])
    expectProblem(await api.get(`${changes}?${name}=-1`), 400, 'invalid-parameter', [name])
  expectProblem(await api.get(`${changes}?wait=31`), 400, 'invalid-parameter', ['wait'])
  expectProblem(await api.get(changes, { accept: 'text/csv' }), 406, 'not-acceptable')
  const events = { accept: 'text/event-stream', 'last-event-id': 'x' }
  expectProblem(await api.get(changes, events), 400, 'invalid-parameter', ['Last-Event-ID'])
  expectProblem(await api.get(changes, { ...events, 'last-event-id': '99' }), 410, 'position-gone')
})

test('an answer waits for a change, and for one that passes the filters', async () => {
  const any = api.get(`${changes}?wait=30`)
  const second = api.get(`${changes}?wait=30&id=2`)
  await api.post(housing, house)
  expect((await any).json().items).toMatchObject([{ id: 1 }])
  await api.post(housing, house)
  expect((await second).json().items).toMatchObject([{ id: 2 }])
})

test('without a change the answer comes after the seconds of wait', async () => {
  await api.post(housing, house)
  const { next } = await page()
  expect(await page(`?wait=1&after=${next}`)).toEqual({ items: [], next })
})

test('an export says from which position on the changes are that it lacks', async () => {
  await api.post(housing, house)
  const { headers } = await api.get(`${housing}/export`, { accept: '*/*' })
  await api.post(housing, house)
  expect((await page(`?after=${headers['feed-position']}`)).items).toMatchObject([{ id: 2 }])
})
