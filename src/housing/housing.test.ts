import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { client, expectProblem } from '../../test/support/http.ts'

const { app } = await startApi()
const api = client(app)

const cityHall = {
  address: '1',
  street: 'Centennial Square',
  city: 'Victoria',
  postal_code: 'v8w1p6',
  housing_type: 'COP',
}
const create = async (house: object = {}) => (await api.post('/api/v2/housing', { ...cityHall, ...house })).json()
const characters = ['a', '\uFEFF', 'é', 'ß', '中', '😀', "'", '"', '\\', '%', '`', '/']

describe('creating and reading', () => {
  test('a house is created with a location and an ETag, and read again', async () => {
    const created = await api.post('/api/v2/housing', cityHall)
    expect(created.statusCode).toBe(201)
    expect(created.headers).toMatchObject({ location: '/api/v2/housing/1', etag: '"1-1"' })
    const house = created.json()
    expect(house).toEqual({
      ...cityHall,
      id: 1,
      postal_code: 'V8W 1P6',
      version: 1,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updated_at: house.created_at,
    })
    const read = await api.get('/api/v2/housing/1')
    expect(read.json()).toEqual(house)
    expect(read.headers).toMatchObject({ etag: '"1-1"', 'cache-control': 'private, no-cache' })
  })

  test('a client that already has the house gets a 304', async () => {
    await create()
    for (const known of ['"1-1"', 'W/"1-1"', '"1-1-gzip"', 'W/"1-1;br"', '"9-9", "1-1"', '*']) {
      const answer = await api.get('/api/v2/housing/1', { 'if-none-match': known })
      expect(answer.statusCode, known).toBe(304)
      expect(answer.body + answer.headers.etag).toBe('"1-1"')
    }
    expect((await api.get('/api/v2/housing/1', { 'if-none-match': '"1-2"' })).statusCode).toBe(200)
    expectProblem(await api.get('/api/v2/housing/1', { 'if-none-match': '1-1' }), 400, 'malformed-request')
  })

  test('any text of 1 to 50 characters comes back as it was sent, except for blanks at its ends', async () => {
    const text = fc.string({ unit: fc.constantFrom(...characters, ' '), minLength: 1, maxLength: 50 })
    await fc.assert(
      fc.asyncProperty(
        text.filter((text) => text.trim() !== ''),
        async (street) => {
          expect((await create({ street: `  ${street} ` })).street).toBe(street.replace(/^ +| +$/g, ''))
        },
      ),
      { numRuns: 30 },
    )
  })

  test('all errors in a body are reported at once, and nothing is stored', async () => {
    const wrong = { address: '', street: ' ', city: 5, postal_code: 'V8W 1O6', housing_type: 'sfd', id: 7, 'a/b~c': 1 }
    expectProblem(await api.post('/api/v2/housing', wrong), 422, 'invalid-body', [
      '/address',
      '/street',
      '/city',
      '/postal_code',
      '/housing_type',
      '/id',
      '/a~1b~0c',
    ])
    expectProblem(
      await api.post('/api/v2/housing', {}),
      422,
      'invalid-body',
      Object.keys(cityHall).map((name) => `/${name}`),
    )
    for (const body of [[], [cityHall], 'text', 1, null, true])
      expectProblem(await api.post('/api/v2/housing', JSON.stringify(body)), 422, 'invalid-body', [''])
    expect((await api.get('/api/v2/housing?count=exact')).json().total).toBe(0)
  })

  test.each([
    ['51 characters', 'x'.repeat(51)],
    ['51 characters outside the basic plane', '😀'.repeat(51)],
    ['NUL', 'a\0b'],
    ['a newline', 'a\nb'],
    ['a lone surrogate', 'a\ud800'],
    ['a mark that turns the direction of writing', 'a\u202eb'],
  ])('text with %s is rejected', async (_what, city) => {
    expectProblem(await api.post('/api/v2/housing', { ...cityHall, city }), 422, 'invalid-body', ['/city'])
  })

  test.each([
    '',
    '   ',
    '\u00a0',
    '\u00ad',
    '\u034f',
    '\u115f\u1160',
    '\u1680',
    '\u180e',
    '\u2003',
    '\u200b',
    '\u200c\u200d',
    '\u2028',
    '\u2060',
    '\u2800',
    ' \u3000 ',
    '\u3164',
    '\ufe0f',
    '\ufeff',
    '\uffa0',
    '\ufff9\ufffb',
    '\u{e0020}',
    '\u{e0100}\u00a0',
    '\u{1d173}',
    ' \u00a0\u200b\u3164\u{e0001} ',
  ])('text of nothing but blanks is rejected: %j', async (text) => {
    for (const member of ['address', 'street', 'city'])
      expectProblem(await api.post('/api/v2/housing', { ...cityHall, [member]: text }), 422, 'invalid-body', [
        `/${member}`,
      ])
    expectProblem(await api.patch('/api/v2/housing/1', { city: text }, { 'if-match': '*' }), 422, 'invalid-body', [
      '/city',
    ])
    expectProblem(await api.put('/api/v2/housing-types/XYZ', { description: text }), 422, 'invalid-body', [
      '/description',
    ])
  })

  test.each(['\u00a0a\u3164', '\u200b1', '☃️', '👩‍🚀', '\u{e0001}x', '\u0301', '葛\u{e0100}', '.', '\ue000', '½'])(
    'text with a visible character is kept as it was sent: %j',
    async (text) => expect(await create({ city: text, street: text })).toMatchObject({ city: text, street: text }),
  )

  test('an object may have 50 members, and the detail names ten of the wrong ones', async () => {
    const members = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, 1]))
    const { errors, detail } = (await api.post('/api/v2/housing', { ...cityHall, ...members(45) })).json()
    expect(errors).toHaveLength(45)
    expect(detail).toMatch(/^\/m0 is unknown.* \/m9 is unknown.* And 35 more\.$/)
    expectProblem(await api.post('/api/v2/housing', { ...cityHall, ...members(46) }), 400, 'malformed-body')
  })

  test('an unknown housing type is a 422 that says how to list the known ones', async () => {
    const answer = await api.post('/api/v2/housing', { ...cityHall, housing_type: 'XYZ' })
    expectProblem(answer, 422, 'unknown-housing-type', ['/housing_type'])
    expect(answer.json().detail).toContain('GET /api/v2/housing-types')
  })

  test.each(['0', '1e3', '0x10', '9999999999', '-1', '1.0', '+1', '01', '%00', '9'.repeat(90), 'abc', '%20'])(
    'the id %s is a 404 for every method',
    async (id) => {
      const headers = { 'if-match': '*' }
      for (const answer of [
        await api.get(`/api/v2/housing/${id}`),
        await api.put(`/api/v2/housing/${id}`, cityHall, headers),
        await api.patch(`/api/v2/housing/${id}`, {}, headers),
        await api.delete(`/api/v2/housing/${id}`, headers),
      ])
        expectProblem(answer, 404, 'not-found')
    },
  )
})

describe('changing', () => {
  test('replacing a house increments its version and its ETag', async () => {
    const { created_at, updated_at } = await create()
    const answer = await api.put('/api/v2/housing/1', { ...cityHall, city: 'Oak Bay' }, { 'if-match': '"1-1"' })
    expect(answer.statusCode).toBe(200)
    expect(answer.headers.etag).toBe('"1-2"')
    expect(answer.json()).toMatchObject({ id: 1, version: 2, city: 'Oak Bay', created_at })
    expect(answer.json().updated_at > updated_at).toBe(true)
    expect((await api.get('/api/v2/housing/1')).json()).toEqual(answer.json())
  })

  test('a merge patch changes what it names and nothing else, and cannot remove a member', async () => {
    await create()
    const patch = { postal_code: 'V8V 3K3', housing_type: 'MFD' }
    const merged = { 'if-match': '"1-1"', 'content-type': 'application/merge-patch+json' }
    expect((await api.patch('/api/v2/housing/1', patch, merged)).json()).toMatchObject({
      ...cityHall,
      ...patch,
      version: 2,
    })
    expectProblem(await api.patch('/api/v2/housing/1', { city: null }, { 'if-match': '*' }), 422, 'invalid-body', [
      '/city',
    ])
    expectProblem(await api.patch('/api/v2/housing/1', { version: 9 }, { 'if-match': '*' }), 422, 'invalid-body', [
      '/version',
    ])
  })

  test('a write that changes nothing makes no new version', async () => {
    const house = await create()
    for (const answer of [
      await api.put('/api/v2/housing/1', cityHall, { 'if-match': '"1-1"' }),
      await api.patch('/api/v2/housing/1', {}, { 'if-match': '"1-1"' }),
      await api.patch('/api/v2/housing/1', { city: ' Victoria ' }, { 'if-match': '*' }),
    ]) {
      expect(answer.json()).toEqual(house)
      expect(answer.headers.etag).toBe('"1-1"')
    }
  })

  test('a deleted house is gone', async () => {
    await create()
    const answer = await api.delete('/api/v2/housing/1', { 'if-match': '"1-1"' })
    expect(answer.statusCode).toBe(204)
    expect(answer.body).toBe('')
    expectProblem(await api.get('/api/v2/housing/1'), 404, 'not-found')
    expectProblem(await api.delete('/api/v2/housing/1', { 'if-match': '*' }), 404, 'not-found')
  })
})

describe('preconditions', () => {
  const writes: [string, (headers: Record<string, string>) => ReturnType<typeof api.send>][] = [
    ['PUT', (headers) => api.put('/api/v2/housing/1', { ...cityHall, city: 'Oak Bay' }, headers)],
    ['PATCH', (headers) => api.patch('/api/v2/housing/1', { city: 'Oak Bay' }, headers)],
    ['DELETE', (headers) => api.delete('/api/v2/housing/1', headers)],
  ]

  test('a malformed request is reported before an invalid one, and that before a missing house', async () => {
    const path = '/api/v2/housing/7'
    for (const method of ['PUT', 'PATCH'] as const) {
      const send = (url: string, headers: Record<string, string>) => api.send(method, url, { city: '' }, headers)
      expectProblem(await send(path, { 'if-match': 'x' }), 400, 'malformed-request')
      expectProblem(await send(`${path}?x=1`, { 'if-match': '*' }), 400, 'invalid-parameter', ['x'])
      expectProblem(await send(`${path}?x=1`, { 'content-type': 'text/plain' }), 400, 'invalid-parameter', ['x'])
      expect((await send(path, {})).statusCode).toBe(422)
    }
    expectProblem(await api.get(path, { 'if-none-match': 'x' }), 400, 'malformed-request')
    expectProblem(await api.post('/api/v2/housing', {}, { 'idempotency-key': 'a b' }), 400, 'malformed-request')
  })

  test('lists of tags in preconditions may have empty elements', async () => {
    await create()
    for (const list of [',"1-1"', '"1-1",', ' , "9-9" ,, "1-1"']) {
      expect((await api.get('/api/v2/housing/1', { 'if-none-match': list })).statusCode, list).toBe(304)
      const same = await api.patch('/api/v2/housing/1', {}, { 'if-match': list })
      expect(same.headers.etag, list).toBe('"1-1"')
    }
    for (const list of [',', '"1-1" "2-1"', '"1-1', ',,x'])
      expectProblem(await api.patch('/api/v2/housing/1', {}, { 'if-match': list }), 400, 'malformed-request')
  })

  test('a body sent with DELETE is not read', async () => {
    for (const type of ['application/json', 'text/plain', 'nonsense'])
      for (const body of ['', '{', ' '.repeat(70_000)]) {
        const { id } = await create()
        const headers = { 'if-match': '*', 'content-type': type }
        const answer = await api.send('DELETE', `/api/v2/housing/${id}`, body, headers)
        expect(answer.statusCode, `${type} ${body.length}`).toBe(204)
      }
  })

  test.each(writes)('%s needs a precondition that holds', async (_method, write) => {
    expectProblem(await write({ 'if-match': '*' }), 404, 'not-found')
    expectProblem(await write({ 'if-match': '"1-1"' }), 404, 'not-found')
    const house = await create()
    expectProblem(await write({}), 428, 'precondition-required')
    for (const malformed of ['1-1', '"1-1', '', 'W/', '"1-1" "1-2"', '*, "1-1"'])
      expectProblem(await write({ 'if-match': malformed }), 400, 'malformed-request')
    for (const stale of [
      '"1-2"',
      '"1-0"',
      'W/"1-2"',
      '"1-2-gzip"',
      '"2-1-gzip"',
      '"1-1-gzip-gzip"',
      '"1-1-x"',
      '"1-1gzip"',
      '"gzip"',
      '"-gzip"',
      '"2-1"',
      '"1-01"',
      '"1-1x"',
      '"1-99999999999"',
      '""',
      '"x", "y"',
    ]) {
      const answer = await write({ 'if-match': stale })
      expectProblem(answer, 412, 'precondition-failed')
      expect(answer.headers.etag).toBe('"1-1"')
      expect(answer.json().current_version).toBe(1)
    }
    expect((await api.get('/api/v2/housing/1')).json()).toEqual(house)
    expect((await write({ 'if-match': '"7-7" , "1-1"' })).statusCode).toBeLessThan(300)
  })

  /** What proxies that compress make of `"1-1"`. */
  const madeByProxies = [
    ...['W/"1-1"', '"1-1-gzip"', '"1-1--gzip"', '"1-1-br"', '"1-1-zstd"', '"1-1;gzip"', 'W/"1-1-gzip"'],
    '"7-7", W/"1-1"',
  ]

  test.each(writes.flatMap(([method, write]) => madeByProxies.map((tag) => [method, tag, write] as const)))(
    '%s accepts %s as the version that it names',
    async (_method, tag, write) => {
      await create()
      expect((await write({ 'if-match': tag })).statusCode).toBeLessThan(300)
    },
  )

  test('of clients that race with the same ETag exactly one wins', async () => {
    let house = await create()
    for (let round = 0; round < 5; round++) {
      const racers = Array.from({ length: 20 }, (_, i) =>
        api.patch('/api/v2/housing/1', { address: `${round} ${i}` }, { 'if-match': `"1-${house.version}"` }),
      )
      const answers = await Promise.all(racers)
      const winners = answers.filter(({ statusCode }) => statusCode === 200)
      expect(winners).toHaveLength(1)
      expect(answers.filter(({ statusCode }) => statusCode === 412)).toHaveLength(19)
      const now = (await api.get('/api/v2/housing/1')).json()
      expect(now).toEqual(winners[0]?.json())
      expect(now.version).toBe(house.version + 1)
      house = now
    }
  })
})

test('rows from before our rules are returned as they are, and a patch validates only what it names', async () => {
  const v1 = { address: '', street: ' ', city: 'a\nb', postal_code: 'D0D 0D0', housing_type_id: 1 }
  expect((await api.post('/api/v1/housing/', v1)).statusCode).toBe(200)
  const { housing_type_id, ...members } = v1
  expect((await api.get('/api/v2/housing/1')).json()).toMatchObject({ ...members, housing_type: 'SFD' })
  const patched = await api.patch('/api/v2/housing/1', { housing_type: 'ASL' }, { 'if-match': '*' })
  expect(patched.json()).toMatchObject({ ...members, housing_type: 'ASL', version: 2 })
})
