import { parse } from 'csv-parse/sync'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { startApi } from '../../../test/support/api.ts'
import { client, expectProblem, library as house } from '../../../test/support/http.ts'

const { app, database, db } = await startApi()
const api = client(app)
const housing = '/api/v2/housing'

const exported = async (query = '', accept = '*/*') => {
  const { statusCode, headers, body } = await api.get(`${housing}/export${query}`, { accept })
  expect(statusCode, body).toBe(200)
  return { type: headers['content-type'], headers, body }
}
const csv = async (query = '') => (await exported(query)).body
const ndjson = async (query = '') =>
  (await exported(query, 'application/x-ndjson')).body
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line))

const cells = async (name: string) =>
  (parse(await csv(), { columns: true }) as Record<string, string>[]).map((row) => row[name])

const header = 'id,address,street,city,postal_code,housing_type,version,created_at,updated_at\n'

/** Houses with this text as their city, as older rules allowed it. */
const store = (...cities: string[]) =>
  database.bulk // as many take longer than a request may
    .insertInto('housing.housing')
    .values(cities.map((city) => ({ address: '1', street: 'x', city, postal_code: 'V8W 1P6', housing_type_id: 1 })))
    .execute()

test('CSV has a header and a line for each house, NDJSON the houses as the list has them', async () => {
  expect(await csv()).toBe(header)
  expect(await ndjson()).toEqual([])
  const { created_at } = (await api.post(housing, house)).json()
  await api.post(housing, { ...house, city: 'Oak, "Bay"', postal_code: 'V8W 1P6' })
  const { items } = (await api.get(housing)).json()
  expect(await ndjson()).toEqual(items)
  const lines = (await csv()).split('\n')
  expect(lines.slice(0, 2)).toEqual([
    header.trim(),
    `1,735,Broughton Street,Victoria,V8W 3H2,COP,1,${created_at},${created_at}`,
  ])
  expect(lines[2]).toContain(',"Oak, ""Bay""",V8W 1P6,')
})

test.each([
  ['', 'text/csv; charset=utf-8'],
  ['text/csv', 'text/csv; charset=utf-8'],
  ['application/x-ndjson', 'application/x-ndjson'],
  ['application/x-ndjson;q=0.5, text/csv;q=0.1', 'application/x-ndjson'],
  ['text/*', 'text/csv; charset=utf-8'],
  ['application/json, */*;q=0.1', 'text/csv; charset=utf-8'],
])('Accept: %s gets %s', async (accept, type) => {
  const answer = await exported('', accept)
  expect(answer.type).toBe(type)
  expect(answer.headers.vary).toContain('Accept')
})

test('the parameter format decides before Accept, and an impossible Accept is a 406', async () => {
  expect((await exported('?format=csv', 'application/json')).type).toBe('text/csv; charset=utf-8')
  expect((await exported('?format=ndjson', 'text/csv')).type).toBe('application/x-ndjson')
  expectProblem(await api.get(`${housing}/export`, { accept: 'application/json' }), 406, 'not-acceptable')
  expectProblem(await api.get(`${housing}/export?format=xml`), 400, 'invalid-parameter', ['format'])
  expectProblem(await api.get(`${housing}/export?limit=1`), 400, 'invalid-parameter', ['limit'])
})

test('the file has a name with its day, is not cached, and HEAD has the same headers', async () => {
  const today = new Date().toISOString().slice(0, 10)
  for (const method of ['GET', 'HEAD'] as const) {
    const { statusCode, headers, body } = await api.send(method, `${housing}/export?format=ndjson`)
    expect([statusCode, body]).toEqual([200, ''])
    expect(headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'content-disposition': `attachment; filename="housing-${today}.ndjson"`,
      'cache-control': 'no-store',
    })
  }
})

test('an export that fails before it begins does not count as one in progress', async () => {
  await sql`alter function housing.number_changes rename to unavailable`.execute(db)
  try {
    for (let i = 0; i < 5; i++) expectProblem(await api.get(`${housing}/export`), 503, 'schema-mismatch')
  } finally {
    await sql`alter function housing.unavailable rename to number_changes`.execute(db)
  }
  expect(await csv()).toBe(header)
})

describe('filters and order', () => {
  test.each([
    '?city=victoria',
    '?street=brough&sort=-id',
    '?postal_code=V8W',
    '?postal_code=V8W3H2&housing_type=COP,SFD',
    '?housing_type=XYZ',
    '?q=vict%20735',
    "?q=o'neill",
    '?sort=city',
    '?sort=-postal_code',
    '?sort=-updated_at',
    '?updated_since=2020-01-01T00:00:00Z',
    '?updated_since=2999-01-01T00:00:00Z',
  ])('%s gives what the list gives', async (query) => {
    const cities = ['Victoria', "O'Neill", 'Oak Bay', 'Métis \\ $1', 'victoria', 'Zürich']
    for (const [i, city] of cities.entries())
      await api.post(housing, { ...house, city, postal_code: i % 2 ? 'V8W 1P6' : house.postal_code })
    const { items } = (await api.get(`${housing}${query}`)).json()
    expect(await ndjson(query)).toEqual(items)
    expect((await csv(query)).split('\n').slice(1, -1)).toHaveLength(items.length)
  })

  test('words that are only punctuation are rejected, as in the list', async () => {
    expectProblem(await api.get(`${housing}/export?q=--`, { accept: '*/*' }), 400, 'invalid-parameter', ['q'])
  })

  test('all houses are in the file, however many pages of the embedded database they take', async () => {
    const count = 12_345
    await store(...Array.from({ length: count }, (_, i) => `City ${i % 97}`))
    const lines = (await csv('?sort=-city')).split('\n').slice(1, -1)
    const cities = lines.map((line) => line.split(',')[3] as string)
    expect(new Set(lines.map((line) => line.split(',')[0])).size).toBe(count)
    expect(cities).toEqual([...cities].sort().reverse())
    expect(await ndjson('?sort=-city')).toHaveLength(count)
  })
})

test('text that a spreadsheet would run gets an apostrophe in CSV, but not in NDJSON', async () => {
  const texts = ['=1+1', '+1', '-1', '@x', '\tx', '\rx', '\nx', "'=1", "''-", "'", "'x", 'a=1', ' =1', '', '\\N', '"']
  await store(...texts)
  expect(await cells('city')).toEqual(texts.map((text) => (/^'*[=+\-@\t\r\n]/.test(text) ? `'${text}` : text)))
  expect((await ndjson()).map(({ city }) => city)).toEqual(texts)
})

test('times that RFC 3339 cannot express are those of the list', async () => {
  const times = ['infinity', '-infinity', '0005-01-01 BC', '12000-01-01', '1999-12-31 23:59:59.9996+00', '0001-01-01']
  await store(...times)
  await sql`alter table housing.housing disable trigger user`.execute(db)
  for (const [i, time] of times.entries())
    await db
      .updateTable('housing.housing')
      .set({ created_at: time })
      .where('id', '=', i + 1)
      .execute()
  await sql`alter table housing.housing enable trigger user`.execute(db)
  const { items } = (await api.get(housing)).json()
  expect(await ndjson()).toEqual(items)
  expect(await cells('created_at')).toEqual(items.map(({ created_at }: { created_at: string }) => created_at))
})
