import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { startApi } from '../../../test/support/api.ts'
import { client, expectProblem } from '../../../test/support/http.ts'
import type { Housing } from '../schemas.ts'
import { type FilterName, type Filters, filters, type Sort, sorts } from './schemas.ts'

const { app, db } = await startApi()
const api = client(app)

type House = Housing & { [name: string]: unknown }
type New = Pick<Housing, 'address' | 'street' | 'city' | 'postal_code' | 'housing_type'>

const query = (parameters: object) => new URLSearchParams(parameters as Record<string, string>).toString()
const list = async (parameters: object = {}) => {
  const answer = await api.get(`/api/v2/housing?${query(parameters)}`)
  expect(answer.statusCode, answer.body).toBe(200)
  return answer.json() as { items: House[]; next: string | null; total?: number }
}
const ids = async (parameters: object) => (await list(parameters)).items.map(({ id }) => id)

/** Stores houses by SQL, because rows from before our rules may contain anything. */
async function store(houses: Partial<New>[]): Promise<void> {
  const rows = houses.map((house) => ({
    address: '1',
    street: 'Main St',
    city: 'Victoria',
    postal_code: 'V8V 1A1',
    housing_type: 'SFD',
    ...house,
  }))
  await sql`
    insert into housing.housing (address, street, city, postal_code, housing_type_id)
    select h.address, h.street, h.city, h.postal_code, t.id
    from json_to_recordset(${JSON.stringify(rows)})
      as h (address text, street text, city text, postal_code text, housing_type text)
    join housing.housing_types t on t.code = h.housing_type`.execute(db)
}

test('without parameters all houses are listed in the order of their ids', async () => {
  expect(await list()).toEqual({ items: [], next: null })
  await store([{ city: 'B' }, { city: 'A' }])
  expect(await ids({})).toEqual([1, 2])
})

test('each filter finds what it says, and all given filters must match', async () => {
  await store([
    { address: '10', street: 'Douglas Street', city: 'Victoria', postal_code: 'V8W 2E7', housing_type: 'SFD' },
    { address: '12-B', street: 'Doug_as %', city: 'victoria', postal_code: 'V8W 1P6', housing_type: 'ASL' },
    { address: "O'Hara", street: 'Éire Street', city: 'Québec', postal_code: 'G1R 4P5', housing_type: 'MFD' },
    { address: 'x', street: 'Main', city: 'Victoria West', postal_code: 'D0D 0D0', housing_type: 'COP' },
  ])
  const { items } = await list()
  const cases: [object, number[]][] = [
    [{ postal_code: 'v8w2e7' }, [1]],
    [{ postal_code: ' V 8 W' }, [1, 2]],
    [{ postal_code: 'd0d' }, [4]],
    [{ postal_code: 'v8w\u00a02e7' }, [1]],
    [{ postal_code: 'V8W–2E7 ' }, [1]],
    [{ postal_code: 'V-8-W-' }, [1, 2]],
    [{ postal_code: 'D0D0D0' }, [4]],
    [{ city: 'VICTORIA' }, [1, 2]],
    [{ city: ' québec ' }, [3]],
    [{ city: 'QUÉBEC' }, [3]],
    [{ street: 'doug' }, [1, 2]],
    [{ street: 'DOUG_' }, [2]],
    [{ street: 'doug_as %' }, [2]],
    [{ street: 'éI' }, [3]],
    [{ housing_type: 'ASL,COP' }, [2, 4]],
    [{ housing_type: 'ZZZ' }, []],
    [{ updated_since: items[2]?.updated_at }, [1, 2, 3, 4]],
    [{ updated_since: '2999-01-01T00:00:00+02:00' }, []],
    [{ updated_since: '2999-01-01t00:00:00.123456789-23:59' }, []],
    [{ updated_since: '0000-01-01T00:00:00+23:59' }, [1, 2, 3, 4]],
    [{ updated_since: '0001-01-01T00:00:00Z' }, [1, 2, 3, 4]],
    [{ updated_since: '1990-12-31T15:59:60-08:00' }, [1, 2, 3, 4]],
    [{ updated_since: '9999-12-31T23:59:60.5Z' }, []],
    [{ updated_since: `9999-12-31T23:59:59.${'9'.repeat(79)}z` }, []],
    [{ q: 'vic doug' }, [1, 2]],
    [{ q: 'WEST' }, [4]],
    [{ q: '12' }, [2]],
    [{ q: "o'ha" }, [3]],
    [{ q: 'éir que' }, []],
    [{ q: 'éir qué' }, [3]],
    [{ q: "'\\' & | ! :* 10" }, [1]],
    [{ city: 'victoria', street: 'doug', housing_type: 'ASL,SFD', postal_code: 'V8W', q: '10' }, [1]],
  ]
  for (const [filter, found] of cases) expect.soft(await ids(filter), JSON.stringify(filter)).toEqual(found)
})

test.each([
  ['4-100', ['4', '10', '100', '4-100', '-100', '#4', '4 100', '100-4'], ['00', '4100', '-4-1-5']],
  ['Hwy 16/97', ['16', '97', '16/97', 'hwy/97', '/97'], ['1697', '6/9']],
  ['St.John', ['st', 'john', 'st.john', 'st.jo', '.john'], ['t.john']],
  ['#4-100½', ['4', '100', '½100', '#100'], []],
  ["O'Hara’s", ['hara', "o'ha", 'o’hara', 'o hara', 's'], ['ohara']],
  ['block_b lot~7', ['b', 'block', 'lot', '7', 'lot_7'], []],
  ['info@example.org', ['info', 'example', 'org', 'example.org', 'info@', '@example'], ['nfo']],
  ['https://www.example.org/maps/97?lot=3&x', ['www', 'example', 'maps', '97', 'lot', '3', 'x', 'maps/97'], []],
  ['-12.5e-7 +3', ['12', '5', '5e', '7', '3', '-3', '12.5', '+12'], ['-25']],
  ['1.5.2/a.b', ['1', '5', '2', 'a', 'b', '1.5.2', 'a.b'], []],
  ['<b>10&amp;2</b> C:\\d', ['10', 'amp', '2', 'c', 'd', '<b', 'c:\\d'], []],
  ['5–7 ‑8 a\u00a0b\u2003c\u3000d', ['7', '8', 'b', 'c', 'd', '5-7', 'a b', '5—7'], []],
  ['a-b-c d(e)[f]{g}', ['a', 'b', 'c', 'e', 'f', 'g', 'a-b-c', 'b-c', 'd(e', '{g}'], []],
  ['12B/2nd', ['12b', '2n', '12'], ['nd']],
])('q finds each part of the address %j', async (address, found, missed) => {
  await store([{ address, street: 'yyy', city: 'zzz' }])
  for (const q of found) expect.soft(await ids({ q }), q).toEqual([1])
  for (const q of missed) expect.soft(await ids({ q }), q).toEqual([])
})

test('any word of a text is found by any beginning of it, whatever the marks between the words', async () => {
  const mark = fc.constantFrom(...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~', ' ', '–', '\u00a0', '//', '. ', "-'")
  const part = fc.stringMatching(/^[a-z0-9]{1,5}$/)
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(part, mark, fc.nat()), { minLength: 1, maxLength: 7 }), async (parts) => {
      await sql`truncate housing.housing`.execute(db)
      await store([{ street: 'yyy', city: 'zzz', address: parts.map(([part, mark]) => mark + part).join('') }])
      for (const [part, mark, length] of parts)
        expect((await list({ q: mark + part.slice(0, 1 + (length % part.length)) })).items).toHaveLength(1)
    }),
    { numRuns: 40 },
  )
})

test('search and filters find a letter however it is composed, and answers have it as it was sent', async () => {
  const texts = ['Québec', 'É', 'ệ', 'Å', '한글', 'ş', 'naïve Ñandú']
  for (const [i, text] of texts.entries())
    for (const form of ['NFC', 'NFD'] as const) {
      await sql`truncate housing.housing`.execute(db)
      const sent = text.normalize(form)
      await store([{ address: sent, street: `${sent} road`, city: sent }, { city: `x${i}` }])
      for (const asked of [text, text.normalize('NFD'), text.toLowerCase().normalize('NFD'), text.toUpperCase()])
        for (const name of ['city', 'street', 'q'])
          expect.soft((await list({ [name]: asked })).items, `${name} ${asked}`).toMatchObject([{ city: sent }])
    }
  await store([{ city: 'Quebec' }])
  expect((await list({ city: 'Québec' })).items).toEqual([])
})

test('only the named fields are returned, and the exact count if it is asked for', async () => {
  await store([{}, { city: 'Oak Bay' }, {}])
  const page = await list({ fields: 'city,id', count: 'exact', limit: 1, city: 'victoria' })
  expect(page).toEqual({ items: [{ id: 1, city: 'Victoria' }], next: expect.any(String), total: 2 })
  expect(await list({ cursor: page.next, fields: 'id', limit: 5 })).toEqual({ items: [{ id: 3 }], next: null })
})

test('the longest possible filters fit into a cursor', async () => {
  const longest = '\u{1F600}'.repeat(50)
  const blank = ' '.repeat(25)
  await store(Array.from({ length: 2 }, () => ({ address: 'q', city: longest, street: `"${longest.slice(2)}` })))
  const filters = {
    city: blank + longest + blank,
    street: `${blank}"${longest.slice(2)}`,
    postal_code: 'v8v1a1'.padStart(50, '\u3000'),
    housing_type: Array(100).fill('SFD').join(),
    updated_since: `2000-01-01T00:00:00.${'1'.repeat(74)}+23:59`,
    q: `q${longest}${longest.slice(2)}`,
  }
  const { items, next } = await list({ ...filters, sort: 'city', limit: 1 })
  expect(items).toHaveLength(1)
  expect((await list({ cursor: next })).items).toMatchObject([{ id: 2 }])
})

test('the header Link leads to the first and to the next page, with all parameters', async () => {
  await store([{}, {}, {}])
  const first = await api.get('/api/v2/housing?limit=2&sort=-id&city=victoria&fields=id')
  const [toFirst, toNext] = String(first.headers.link)
    .split(', ')
    .map((link) => /<(.*)>/.exec(link)?.[1])
  expect(first.headers.link).toMatch(/^<[^>]*>; rel="first", <[^>]*>; rel="next"$/)
  expect((await api.get(toFirst as string)).json()).toEqual(first.json())
  const last = await api.get(toNext as string)
  expect(last.json()).toEqual({ items: [{ id: 1 }], next: null })
  expect(last.headers.link).not.toContain('next')
  expect(last.headers.etag).toBeUndefined()
})

test.each([
  ['limit=0', ['limit']],
  ['limit=1001', ['limit']],
  ['limit=1e2', ['limit']],
  ['limit=', ['limit']],
  ['limit=1&limit=2', ['limit']],
  ['sort=colour', ['sort']],
  ['sort=id,city', ['sort']],
  ['count=yes', ['count']],
  ['fields=id,secret', ['fields']],
  ['postal_code=V8', ['postal_code']],
  ['postal_code=%00', ['postal_code']],
  ['housing_type=sfd', ['housing_type']],
  ['city=', ['city']],
  ['city=%C2%A0%E2%80%8B', ['city']],
  ['street=%E3%85%A4', ['street']],
  [`city=x${'+'.repeat(100)}`, ['city']],
  ['updated_since=yesterday', ['updated_since']],
  ['updated_since=2026-02-30T00:00:00Z', ['updated_since']],
  ['updated_since=2026-02-03T00:00:00', ['updated_since']],
  ['updated_since=0000-02-30T00:00:00Z', ['updated_since']],
  ['updated_since=2026-02-03T00:00:60Z', ['updated_since']],
  [`updated_since=2026-02-03T00:00:00.${'0'.repeat(80)}Z`, ['updated_since']],
  ['q=', ['q']],
  ['q=%3F%21', ['q']],
  ['q=a%00', ['q']],
  ['cursor=', ['cursor']],
  ['cursor=AAAA', ['cursor']],
  ['colour=red&limit=x&__proto__=1', ['colour', 'limit', '__proto__']],
])('?%s is a 400 that names the wrong parameters', async (parameters, names) => {
  const answer = await api.get(`/api/v2/housing?${parameters}`)
  expectProblem(answer, 400, 'invalid-parameter', names)
})

test('a cursor that is damaged, or belongs to another list, is a 400', async () => {
  await store(Array.from({ length: 5 }, () => ({})))
  const cursor = (await list({ limit: 2, sort: 'city', city: 'victoria' })).next as string
  for (const parameters of [{ sort: '-city' }, { city: 'oak bay' }, { q: 'main' }])
    expectProblem(await api.get(`/api/v2/housing?${query({ cursor, ...parameters })}`), 400, 'invalid-parameter', [
      'cursor',
    ])
  expect(await ids({ cursor, sort: 'city', city: 'victoria' })).toEqual([3, 4, 5])

  const parts = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  const damaged = [
    { ...parts, after: ['Victoria'] },
    { ...parts, after: [1, 2] },
    { ...parts, after: ['Victoria', 2 ** 40] },
    { ...parts, after: ['\0', 2] },
    { ...parts, sort: 'updated_at' },
    { ...parts, sort: 'updated_at', after: ['2026-11-22T18:03:11+23:59', 2] },
    { ...parts, sort: 'updated_at', after: ['2026-02-30 18:03:11+00', 2] },
    { ...parts, sort: 'updated_at', after: ['999999-01-01 18:03:11+00', 2] },
    { ...parts, sort: 'id' },
    { ...parts, filters: { city: '\0' } },
    { ...parts, filters: { colour: 'red' } },
    { sort: 'id' },
    null,
  ]
  for (const wrong of damaged) {
    const cursor = Buffer.from(JSON.stringify(wrong)).toString('base64url')
    expectProblem(await api.get(`/api/v2/housing?cursor=${cursor}`), 400, 'invalid-parameter', ['cursor'])
  }
  const [name, key] = ['"sort":"city"', '"city":"victoria"']
  const json = Buffer.from(cursor, 'base64url').toString()
  const respelled = [`${json} `, json.replace(name, `${name},${name}`), json.replace(key, '"\\u0063ity":"victoria"')]
  const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  for (const wrong of [
    ...[...last].flatMap((letter) => [cursor + letter, letter + cursor]),
    ...[...last].map((letter) => cursor.slice(0, -1) + letter).filter((text) => text !== cursor),
    ...['=', '==', '.', ' ', '\n', '%00', '+', '/', 'é'].map((end) => cursor + end),
    cursor.slice(0, -1),
    cursor.slice(1),
    cursor + cursor,
    Buffer.concat([Buffer.from(cursor, 'base64url'), Buffer.from([0xff])]).toString('base64url'),
    ...respelled.map((text) => Buffer.from(text).toString('base64url')),
  ])
    expectProblem(await api.get(`/api/v2/housing?${query({ cursor: wrong })}`), 400, 'invalid-parameter', ['cursor'])
  await fc.assert(
    fc.asyncProperty(fc.nat(cursor.length - 1), fc.constantFrom(...'Aa0_-'), async (at, letter) => {
      const answer = await api.get(`/api/v2/housing?cursor=${cursor.slice(0, at)}${letter}${cursor.slice(at + 1)}`)
      expect([200, 400]).toContain(answer.statusCode)
    }),
    { numRuns: 40 },
  )
})

/** A value for each filter, which half of the houses below match; the compiler demands one for a new filter. */
const aFilter: Record<FilterName, string> = {
  postal_code: 'V8V 1A1',
  city: 'victoria',
  street: 'main',
  housing_type: 'SFD',
  updated_since: '2026-06-01T00:00:00Z',
  q: 'north',
}

test('every combination of filters finds what all of them match, on every page', async () => {
  const names = Object.keys(filters) as FilterName[]
  await sql`
    insert into housing.housing (address, street, city, postal_code, housing_type_id, updated_at)
    select (array['1 north', '2'])[1 + i % 2], (array['Main St', 'Oak St'])[1 + i / 2 % 2],
      (array['Victoria', 'Nanaimo'])[1 + i / 4 % 2], (array['V8V 1A1', 'V8W 1A1'])[1 + i / 8 % 2], 1 + i / 16 % 2,
      (array['2026-07-01', '2026-05-01'])[1 + i / 32 % 2]::timestamptz
    from generate_series(0, 63) i`.execute(db)
  const everything = await ids({})
  const alone = new Map<FilterName, number[]>()
  for (const name of names) alone.set(name, await ids({ [name]: aFilter[name] }))
  for (const [name, found] of alone) expect(found.length, name).toBe(everything.length / 2)

  for (const chosen of subsets(names)) {
    const expected = everything.filter((id) => chosen.every((name) => alone.get(name)?.includes(id)))
    const parameters = Object.fromEntries(chosen.map((name) => [name, aFilter[name]]))
    const { items, next, total } = await list({ ...parameters, limit: 2, count: 'exact' })
    expect(total, chosen.join()).toBe(expected.length)
    const rest = next === null ? [] : await ids({ cursor: next })
    expect([...items.map(({ id }) => id), ...rest], chosen.join()).toEqual(expected)
  }
})

const subsets = <T>([first, ...others]: T[]): T[][] =>
  first === undefined ? [[]] : subsets(others).flatMap((set) => [set, [first, ...set]])

const word = fc.constantFrom('a', 'B', 'é', 'Zz', '中', 'a b', '', ' ')
const aHouse = fc.record({
  street: word,
  city: word,
  postal_code: fc.constantFrom('V8V 1A1', 'V8V 1A2', 'V8W 1A1', 'A1A 1A1'),
  housing_type: fc.constantFrom('SFD', 'ASL'),
})
const someFilters: fc.Arbitrary<Filters> = fc.record(
  {
    postal_code: fc.constantFrom('V8V', 'v8v1a1'),
    city: fc.constantFrom('A', 'b'),
    housing_type: fc.constantFrom('SFD', 'SFD,ASL'),
  },
  { requiredKeys: [] },
)
const aSort = fc.constantFrom(...sorts.flatMap((sort): Sort[] => [sort, `-${sort}`]))
/** What happens to the table between two pages: a row is added, changed or deleted. */
const anEvent = fc.oneof(
  aHouse.map((house) => ({ house })),
  fc.record({ change: fc.nat(30), to: aHouse }),
  fc.record({ remove: fc.nat(30) }),
)

test('walking the pages returns each untouched house exactly once, in order, whatever else happens', async () => {
  const life = fc.record({
    houses: fc.array(aHouse, { maxLength: 30 }),
    filters: someFilters,
    sort: aSort,
    limit: fc.integer({ min: 1, max: 12 }),
    events: fc.array(anEvent, { maxLength: 12 }),
  })
  await fc.assert(
    fc.asyncProperty(life, async ({ houses, filters, sort, limit, events }) => {
      await sql`truncate housing.housing restart identity`.execute(db)
      await sql`alter sequence housing.housing_id_seq restart`.execute(db)
      if (houses.length > 0) await store(houses)
      const all = (await list({ ...filters, sort, limit: 1000 })).items
      const touched = new Set<number>()
      const seen: House[] = []
      for (let next: string | null = '', at = 0; next !== null; at++) {
        const page = await list(next === '' ? { ...filters, sort, limit } : { cursor: next, limit })
        expect(page.items.length === limit || page.next === null).toBe(true)
        seen.push(...page.items)
        next = page.next
        const event = events[at]
        if (event && 'house' in event) await store([event.house])
        if (event && 'change' in event) {
          touched.add(event.change)
          await sql`update housing.housing set city = ${event.to.city}, postal_code = ${event.to.postal_code}
            where id = ${event.change}`.execute(db)
        }
        if (event && 'remove' in event) {
          touched.add(event.remove)
          await sql`delete from housing.housing where id = ${event.remove}`.execute(db)
        }
      }
      const untouched = (items: House[]) => items.filter(({ id }) => id <= houses.length && !touched.has(id))
      expect(untouched(seen)).toEqual(untouched(all))
    }),
    { numRuns: 60 },
  )
})
