import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { client, exchange, listen } from '../../test/support/http.ts'

const origin = 'http://localhost:5173'
const { app, db } = await startApi({ origins: [origin] })
const api = client(app)
const port = await listen(app)

const types = '/api/v1/housing_type/'
const houses = '/api/v1/housing/'
const house = { address: '1', street: 'Main St', city: 'Victoria', postal_code: 'V8V 1A1', housing_type_id: 1 }
const seed = [
  { code: 'SFD', description: 'Single Family Housing', housing_type_id: 1 },
  { code: 'ASL', description: 'Assisted Living', housing_type_id: 2 },
  { code: 'MFD', description: 'Multi Family Housing', housing_type_id: 3 },
  { code: 'COP', description: 'Co-Op Housing', housing_type_id: 4 },
]

/** An item of a 422, with its keys in order. */
const item = (type: string, loc: (string | number)[], msg: string, input: unknown, ctx?: object) => ({
  type,
  loc,
  msg,
  input,
  ...(ctx && { ctx }),
})
const notAnInteger = 'Input should be a valid integer, unable to parse string as an integer'
const noNul = 'Value error, must not contain NUL'
const nul = (loc: string[], input: string) => item('value_error', loc, noNul, input, { error: {} })
const tooSmall = (loc: string[], least: number, input: unknown) =>
  item('greater_than_equal', loc, `Input should be greater than or equal to ${least}`, input, { ge: least })
const noSuchType = '{"detail":"No HousingType for this code"}'
const noHomes = '{"detail":"No homes found with the given postal code"}'

type Answer = Awaited<ReturnType<typeof api.get>>

/** Compares the text, because the order of keys is part of the contract. */
function expectJson(answer: Answer, status: number, body: unknown) {
  expect(answer.body).toBe(typeof body === 'string' ? body : JSON.stringify(body))
  expect(answer.statusCode).toBe(status)
  expect(answer.headers['content-type']).toBe('application/json')
}
const expectItems = (answer: Answer, ...detail: object[]) => expectJson(answer, 422, { detail })
const stored = async () =>
  (await sql<{ n: number }>`select count(*)::int as n from housing.housing`.execute(db)).rows[0]?.n

test('the root greets', async () => expectJson(await api.get('/'), 200, '{"message":"Sample API"}'))

describe('the types', () => {
  test('all types are listed in the order of their creation', async () => expectJson(await api.get(types), 200, seed))
})

describe('integers in the query', () => {
  test.each(['2', '%2B2', '+2', '%202%20', '+2+', '02', '%2B02', '0000000000000000000000000000002'])(
    'the integer %s is two',
    async (two) => {
      expectJson(await api.get(`${types}?limit=${two}`), 200, seed.slice(0, 2))
      expectJson(await api.get(`${types}?skip=${two}`), 200, seed.slice(2))
    },
  )

  test.each(['0', '-0', '%2B0', '00', '+-0+'])('the integer %s is zero', async (zero) => {
    expectJson(await api.get(`${types}?skip=${zero}`), 200, seed)
    expectJson(await api.get(`${types}?limit=${zero}`), 200, [])
  })

  test.each([
    ...[
      '',
      '%20',
      '+',
      'abc',
      '1.5',
      '1.',
      '.0',
      '1e2',
      '0x1',
      '%2B%2B1',
      '-%201',
      '_1',
      '1_',
      '1__0',
      '1,000',
      'true',
    ],
    ...[
      'null',
      '%D9%A1',
      '%EF%BC%91',
      '%E2%88%921',
      '%EF%BB%BF1',
      '%E2%80%8B1',
      '1%00',
      'NaN',
      'Infinity',
      '%F0%9F%98%80',
    ],
  ])('%s is not an integer', async (text) => {
    const input = decodeURIComponent(text.replaceAll('+', ' '))
    const wrong = (name: string) => item('int_parsing', ['query', name], notAnInteger, input)
    for (const path of [types, `${houses}V8V%201A1`]) {
      expectItems(await api.get(`${path}?limit=${text}`), wrong('limit'))
      expectItems(await api.get(`${path}?limit=${text}&skip=${text}`), wrong('skip'), wrong('limit'))
    }
  })

  test('a parameter without a value is not an integer', async () =>
    expectItems(await api.get(`${types}?limit`), item('int_parsing', ['query', 'limit'], notAnInteger, '')))

  test('integers have 64 bits, and must not be negative', async () => {
    const most = '9223372036854775807'
    expectJson(await api.get(`${types}?skip=${most}`), 200, [])
    expectJson(await api.get(`${types}?limit=${most}`), 200, seed)
    expectJson(await api.get(`${houses}V8V%201A1?skip=${most}&limit=${most}`), 404, noHomes)
    for (const text of ['9223372036854775808', ` +0${'9'.repeat(500)} `]) {
      const { detail } = (await api.get(`${types}?skip=${encodeURIComponent(text)}`)).json()
      expect(detail).toEqual([
        item('less_than_equal', ['query', 'skip'], `Input should be less than or equal to ${most}`, text, {
          le: Number(most),
        }),
      ])
    }
    const both = await api.get(`${types}?skip=${most}0&limit=${most}0`)
    expect(both.body.match(/"ctx":\{"le":9223372036854775807\}/g)).toHaveLength(2)
    expect((await api.post(houses, '{"le":9223372036854776000}')).body).not.toContain(most)
    for (const text of ['-1', ' -01 ', `-${most}0`])
      expectItems(
        await api.get(`${types}?skip=x&limit=${encodeURIComponent(text)}`),
        item('int_parsing', ['query', 'skip'], notAnInteger, 'x'),
        tooSmall(['query', 'limit'], 0, text),
      )
  })

  test('other parameters are ignored, and names are case-sensitive', async () => {
    for (const query of ['x=1', 'Limit=1', 'LIMIT=x', 'limit%20=x', '__proto__=1&constructor=2', '&&', '=', '?'])
      expectJson(await api.get(`${types}?${query}`), 200, seed)
    expectJson(await api.get(`${types}SFD?skip=x&limit=x`), 200, seed[0])
  })

  test('Accept, Authorization, Range, If-None-Match, method overrides, cookies and a body are ignored', async () => {
    const headers = {
      accept: 'text/html',
      authorization: 'Bearer x',
      range: 'bytes=0-1',
      'if-none-match': '*',
      'x-http-method-override': 'DELETE',
      cookie: 'a=b',
      'content-type': 'text/plain',
    }
    expectJson(await api.send('GET', `${types}SFD`, '{', headers), 200, seed[0])
  })
})

describe('a type by its code', () => {
  test('a type is found by its exact code, except for trailing blanks', async () => {
    await sql`insert into housing.housing_types (id, code, description) values (90, 'É', 'x')`.execute(db)
    for (const code of ['SFD', 'SFD%20', `SFD${'%20'.repeat(100)}`, '%53FD'])
      expectJson(await api.get(types + code), 200, seed[0])
    for (const code of ['%C3%89', '%C3%89%20%20'])
      expectJson(await api.get(types + code), 200, { code: 'É  ', description: 'x', housing_type_id: 90 })
  })

  test.each([
    ...['sfd', 'SF', 'SFDX', 'SFD1', '%20SFD', 'SFD%09', 'SFD%0A', '%0ASFD', 'SFD+', '%20', '%F0%9F%98%80', 'S%25D'],
    ...['1', 'e%CC%81', "'%20or%201=1--", '..%2E', 'x'.repeat(4000), '%E2%80%8BSFD', '%EF%BC%B3FD', ':code', '*'],
  ])('no type has the code %s', async (code) => expectJson(await api.get(types + code), 404, noSuchType))

  test('NUL in a path is reported together with everything else that is wrong', async () => {
    expectItems(await api.get(`${types}%00`), nul(['path', 'code'], '\0'))
    expectItems(await api.get(`${types}SFD%00`), nul(['path', 'code'], 'SFD\0'))
    expectItems(await api.get(`${houses}V8V%00`), nul(['path', 'postal_code'], 'V8V\0'))
    expectItems(
      await api.get(`${houses}%00?skip=-1&limit=-1`),
      nul(['path', 'postal_code'], '\0'),
      tooSmall(['query', 'skip'], 0, '-1'),
      tooSmall(['query', 'limit'], 0, '-1'),
    )
  })
})

describe('the houses of a postal code', () => {
  test('the houses of a postal code are those with exactly this text, except for trailing blanks, in order', async () => {
    const ids = [1, 2, 3].map((housing_id) => ({ ...house, housing_id }))
    for (const expected of ids) expectJson(await api.post(houses, house), 200, expected)
    for (const code of ['V8V%201A1', 'V8V%201A1%20', `V8V%201A1${'%20'.repeat(50)}`, 'V8V 1A1', '%568V%201A1'])
      expectJson(await api.get(houses + code), 200, ids)
    for (const code of ['v8v%201a1', 'V8V%201a1', 'V8V1A1', 'V8V+1A1', 'V8V%20%201A1', '%20V8V%201A1', 'V8V%201A1%09'])
      expectJson(await api.get(houses + code), 404, noHomes)
    for (const code of ['V8V', '1', '%F0%9F%98%80', '%25', 'x'.repeat(4000), 'V8V%201A1%0A', '_______', 'V8V%C2%A01A1'])
      expectJson(await api.get(houses + code), 404, noHomes)
    expectJson(await api.get(`${houses}V8V%201A1?skip=1`), 200, ids.slice(1))
    expectJson(await api.get(`${houses}V8V%201A1?skip=1&limit=1`), 200, ids.slice(1, 2))
    for (const query of ['skip=3', 'skip=4', 'limit=0', 'skip=1&limit=0'])
      expectJson(await api.get(`${houses}V8V%201A1?${query}`), 404, noHomes)
    for (const code of ['V8V%201A1', 'nowhere'])
      expectItems(await api.get(`${houses}${code}?skip=-1`), tooSmall(['query', 'skip'], 0, '-1'))
  })

  test('a page has 100 houses, or as many as the client asks for', async () => {
    await sql`insert into housing.housing (address, street, city, postal_code, housing_type_id)
    select i, 's', 'c', 'V8V 1A1', 1 from generate_series(1, 1500) i`.execute(db)
    const read = async (query: string) => (await api.get(`${houses}V8V%201A1${query}`)).json()
    expect(await read('')).toHaveLength(100)
    expect((await read('?skip=100')).at(-1)).toMatchObject({ address: '200' })
    expect(await read('?limit=100000')).toHaveLength(1500)
  })

  test('an answer has at most 10,000 houses, however many the client asks for', async () => {
    await sql`insert into housing.housing (address, street, city, postal_code, housing_type_id)
    select i, 's', 'c', 'V8V 1A1', 1 from generate_series(1, 10001) i`.execute(db)
    for (const [query, first, count] of [
      ['limit=9223372036854775807', '1', 10_000],
      ['limit=10001', '1', 10_000],
      ['limit=10000&skip=2', '3', 9999],
    ] as const) {
      const answer = await api.get(`${houses}V8V%201A1?${query}`)
      expect(answer.statusCode).toBe(200)
      expect(answer.json()).toHaveLength(count)
      expect(answer.json()[0].address).toBe(first)
    }
  })
})

describe('a new house', () => {
  test('a house is created and stored as it was sent, with its postal code in capitals', async () => {
    const text = ['', ' ', ' a ', '\t\n', 'é', 'e\u0301', '😀'.repeat(50), '"\\/', '\u202e', '\u007f', 'x'.repeat(50)]
    for (const [i, address] of text.entries()) {
      const created = await api.post(houses, {
        ...house,
        address,
        street: address,
        city: address,
        postal_code: 'z0d 9o9',
      })
      const expected = { ...house, address, street: address, city: address, postal_code: 'Z0D 9O9', housing_id: i + 1 }
      expectJson(created, 200, expected)
      expect(created.headers.location).toBeUndefined()
      expect((await api.get(`${houses}Z0D%209O9?skip=${i}`)).json()).toEqual([expected])
    }
  })

  test('the order of fields, unknown fields and the query do not matter, and the last of duplicates counts', async () => {
    const { housing_type_id, ...text } = house
    for (const body of [
      JSON.stringify({ housing_type_id, ...text }),
      JSON.stringify({ ...house, housing_id: 99, id: 99, version: 5, Address: 1, x: { y: [null] } }),
      `{"address":5,"x":"\\u0000","x":"\\ud800",${JSON.stringify(house).slice(1)}`,
      ` \t\r\n${JSON.stringify(house, null, 2)}\n`,
    ])
      expect((await api.post(`${houses}?skip=x&housing_type_id=9`, body)).json()).toMatchObject(house)
    expect(await stored()).toBe(4)
  })

  test.each(['2', '2.0', '2e0', '20e-1', '0.2e1', '"2"', '"+2"', '" 2 "', '"002"', '"+02"'])(
    'the housing type %s is two',
    async (two) => {
      const body = JSON.stringify(house).replace('"housing_type_id":1', `"housing_type_id":${two}`)
      expectJson(await api.post(houses, body), 200, { ...house, housing_type_id: 2, housing_id: 1 })
    },
  )
})

describe('a house with invalid fields', () => {
  const lines = ['address', 'street', 'city']
  const integer = 'Input should be a valid integer'
  const least = 'Input should be greater than or equal to -2147483648'

  /** Values in JSON; the error echoes the value, unless `input` says otherwise. */
  interface Wrong {
    fields: string[]
    values: string[]
    type: string
    msg: string
    ctx?: object
    input?: null
  }

  test.each<Wrong>([
    {
      fields: [...lines, 'postal_code'],
      values: ['null', '1', 'true', '["a"]', '{"a":1}'],
      type: 'string_type',
      msg: 'Input should be a valid string',
    },
    {
      fields: lines,
      values: [`${'é'.repeat(50)}x`, `${'x'.repeat(50)}  x`, ` ${'x'.repeat(50)}`, '😀'.repeat(51)].map(
        (x) => `"${x}"`,
      ),
      type: 'string_too_long',
      msg: 'String should have at most 50 characters',
      ctx: { max_length: 50 },
    },
    { fields: lines, values: ['"a\\u0000"'], type: 'value_error', msg: noNul, ctx: { error: {} } },
    {
      fields: [...lines, 'postal_code'],
      values: ['"\\ud800"', '"a\\udc00b"'],
      type: 'string_unicode',
      msg: 'Input should be a valid string, unable to parse raw data as a unicode string',
    },
    {
      fields: ['postal_code'],
      values: [
        ...[
          '',
          ' ',
          'V8V1A1',
          'V8V  1A1',
          'V8V-1A1',
          ' V8V 1A1',
          'V8V 1A1 ',
          'V8V\\t1A1',
          '88V 1A1',
          'V8V 1A',
          'V8V 1A11',
        ],
        ...[
          'V8V 1A1\\n',
          'V8V 1A1\\n\\n',
          'V8V 1A1\\u0000',
          'V8V\\u00a01A1',
          'É8V 1A1',
          '\\u212a8V 1A1',
          '\\u017f8V 1A1',
        ],
      ].map((code) => `"${code}"`),
      type: 'value_error',
      msg: 'Value error, Invalid postal code format',
      ctx: { error: {} },
    },
    { fields: ['housing_type_id'], values: ['null', '[]', '[1]', '{}'], type: 'int_type', msg: integer },
    {
      fields: ['housing_type_id'],
      values: [
        ...['', ' ', 'abc', '1.5', '1e2', '0x1', '++1', '- 1', '1 2', '_1', '1__0', 'true', '\\u0661', '\\u22121'],
        ...['\\ufeff1', '1\\u0000', '\\ud800'],
      ].map((text) => `"${text}"`),
      type: 'int_parsing',
      msg: notAnInteger,
    },
    {
      fields: ['housing_type_id'],
      values: ['1.5', '-0.5', '1e-1', '1.0000001'],
      type: 'int_from_float',
      msg: `${integer}, got a number with a fractional part`,
    },
    {
      fields: ['housing_type_id'],
      values: ['1e19', '-1e19', '9223372036854775808.0', '1e300'],
      type: 'int_parsing_size',
      msg: 'Unable to parse input string as an integer, exceeded maximum size',
    },
    {
      fields: ['housing_type_id'],
      values: ['1e400', '-1e400'],
      type: 'finite_number',
      msg: 'Input should be a finite number',
      input: null,
    },
    {
      fields: ['housing_type_id'],
      values: ['2147483648', '"2147483648"', '2147483648.0', '1e10', '9007199254740991', '"9223372036854775808"'],
      type: 'less_than_equal',
      msg: 'Input should be less than or equal to 2147483647',
      ctx: { le: 2147483647 },
    },
    {
      fields: ['housing_type_id'],
      values: ['-2147483649', '"-2147483649"', '-1e10'],
      type: 'greater_than_equal',
      msg: least,
      ctx: { ge: -2147483648 },
    },
  ])('$type is reported for $fields', async ({ fields, values, type, msg, ctx, input }) => {
    for (const field of fields)
      for (const value of values) {
        const body = JSON.stringify({ ...house, [field]: '?' }).replace('"?"', value)
        expectItems(
          await api.post(houses, body),
          item(type, ['body', field], msg, input === undefined ? JSON.parse(value) : input, ctx),
        )
      }
    expect(await stored()).toBe(0)
  })

  test('integers that no double can hold are rejected too', async () => {
    for (const id of ['9007199254740993', '9223372036854775807', '9223372036854775808', '9'.repeat(400)]) {
      const { detail } = (
        await api.post(houses, JSON.stringify({ ...house, housing_type_id: 0 }).replace('0}', `${id}}`))
      ).json()
      expect(detail).toMatchObject([{ loc: ['body', 'housing_type_id'] }])
    }
  })

  test('all errors are reported, in the order of the fields', async () => {
    const missing = (input: object) => (name: string) => item('missing', ['body', name], 'Field required', input)
    expectItems(await api.post(houses, {}), ...Object.keys(house).map(missing({})))
    for (const name of Object.keys(house)) {
      const { [name as keyof typeof house]: _, ...rest } = house
      expectItems(await api.post(houses, rest), missing(rest)(name))
    }
    const body = { housing_type_id: 1.5, postal_code: 'x', Address: '1', street: null }
    expectItems(
      await api.post(houses, body),
      missing(body)('address'),
      item('string_type', ['body', 'street'], 'Input should be a valid string', null),
      missing(body)('city'),
      item('value_error', ['body', 'postal_code'], 'Value error, Invalid postal code format', 'x', { error: {} }),
      item('int_from_float', ['body', 'housing_type_id'], `${integer}, got a number with a fractional part`, 1.5),
    )
    const inherited =
      '{"__proto__":{"address":"1","street":"s"},"city":"c","postal_code":"V8V 1A1","housing_type_id":1}'
    expect((await api.post(houses, inherited)).json().detail).toMatchObject([
      { loc: ['body', 'address'] },
      { loc: ['body', 'street'] },
    ])
  })

  test('an unknown housing type is reported in a sentence, only if nothing else is wrong', async () => {
    for (const housing_type_id of [5, 0, -1, '99', 2147483647, -2147483648])
      expectJson(await api.post(houses, { ...house, housing_type_id }), 422, '{"detail":"Invalid housing_type_id"}')
    expectItems(
      await api.post(houses, { ...house, housing_type_id: 99, city: 1 }),
      item('string_type', ['body', 'city'], 'Input should be a valid string', 1),
    )
    expect(await stored()).toBe(0)
  })
})

describe('bodies', () => {
  const notAnObject = 'Input should be a valid dictionary or object to extract fields from'
  const send = (payload: string | Buffer, headers: Record<string, string> = {}) =>
    app.inject({ method: 'POST', url: houses, payload, headers })

  test('a body without a type, or with any type of JSON, is read as JSON', async () => {
    for (const type of [
      ...['application/json', 'APPLICATION/Json', 'application/json; charset=latin1', 'application/json;x=y;z'],
      ...['application/problem+json', 'application/vnd.api+JSON; v=1', 'application/a+b+json'],
    ])
      expect((await send(JSON.stringify(house), { 'content-type': type })).json(), type).toMatchObject(house)
    expect((await send(Buffer.from(JSON.stringify(house)))).json()).toMatchObject(house)
    expect((await send(Buffer.from(`\ufeff${JSON.stringify(house)}`))).json()).toMatchObject(house)
    expect((await send(JSON.stringify(house), { 'content-type': ' ' })).json()).toMatchObject(house)
  })

  test('a body of any other type is not an object', async () => {
    const json = JSON.stringify(house)
    for (const type of [
      ...['text/plain', 'text/json', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', '*/*'],
      ...['application/jsonp', 'application/json5', 'application/xjson', 'application/octet-stream', 'image/svg+json'],
      ...['json', '/json', 'application/', 'application/json/x', '"application/json"', 'a b', ';'],
    ])
      expectItems(
        await send(json, { 'content-type': type }),
        item('model_attributes_type', ['body'], notAnObject, json),
      )
    const binary = (await send(Buffer.from([0xff, 0xfe]), { 'content-type': 'image/png' })).json()
    expect(binary.detail).toMatchObject([{ type: 'model_attributes_type', loc: ['body'], msg: notAnObject }])
    expect(await stored()).toBe(0)
  })

  test('no body, an empty one and null count as missing; other JSON is not an object', async () => {
    const missing = item('missing', ['body'], 'Field required', null)
    expectItems(await app.inject({ method: 'POST', url: houses }), missing)
    for (const type of ['application/json', 'text/plain'])
      expectItems(await send('', { 'content-type': type }), missing)
    expectItems(await send(' null\n', { 'content-type': 'application/json' }), missing)
    for (const json of ['[]', '[{"a":1}]', '"text"', '0', '1.5', 'true', 'false', '""'])
      expectItems(await send(json), item('model_attributes_type', ['body'], notAnObject, JSON.parse(json)))
  })

  test('a body in chunks is read', async () => {
    const body = JSON.stringify(house).replace(/.{1,7}/g, (part) => `${part.length.toString(16)}\r\n${part}\r\n`)
    const head = `POST ${houses} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n`
    expect(await exchange(port, `${head}\r\n${body}0\r\n\r\n`)).toContain(JSON.stringify({ ...house, housing_id: 1 }))
  })

  test('bytes that are not UTF-8 are a 400', async () => {
    const before = JSON.stringify(house).slice(0, -1)
    for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe9], [0xf4, 0x90, 0x80, 0x80]]) {
      const body = Buffer.concat([Buffer.from(`${before},"x":"`), Buffer.from(bytes), Buffer.from('"}')])
      expectJson(await send(body), 400, '{"detail":"There was an error parsing the body"}')
    }
  })

  test.each([
    ...[
      '{',
      '}',
      '{"address":"a",}',
      '{"address":"a}',
      '[1,]',
      '{"a" 1}',
      "{'a':1}",
      '{a:1}',
      'nul',
      '01',
      '1.',
      '.5',
      '+1',
    ],
    ...['{}{}', '{} x', '"\u0001"', '"\\x"', '"\\u12"', 'NaN', '{"a":Infinity}', '[-Infinity]', '// c', ' '],
  ])('the syntax error in %j is reported with its place', async (body) => {
    const { detail } = (await send(body, { 'content-type': 'application/json' })).json()
    expect(detail).toHaveLength(1)
    const [{ loc, ctx }] = detail
    expect(loc).toEqual(['body', expect.any(Number)])
    expect(ctx).toEqual({ error: expect.stringMatching(/\w/) })
    expectItems(await send(body), item('json_invalid', loc, 'JSON decode error', {}, ctx))
  })

  test('input that cannot be echoed does not hide the error', async () => {
    const missing = (input: string) =>
      `{"detail":[${Object.keys(house).map((name) => `{"type":"missing","loc":["body","${name}"],"msg":"Field required","input":${input}}`)}]}`
    expectJson(await send('{"x":1e999}'), 422, missing('{"x":null}'))
    expectJson(await send('{"x":"\\ud800"}'), 422, missing('{"x":"\\ud800"}'))
    const deep = (depth: number) => `{"x":${'['.repeat(depth)}${']'.repeat(depth)}}`
    expectJson(await send(deep(1000)), 422, missing(deep(1000)))
    expectJson(await send(deep(30000)), 422, missing('null'))
    expectJson(await send(JSON.stringify(house).replace('}', `,${deep(30000).slice(1)}`)), 200, {
      ...house,
      housing_id: 1,
    })
  })

  test('text that is nearly all blanks is validated as fast as any other', async () => {
    const address = `x${' '.repeat(60000)}`
    const refused = await api.post(houses, { ...house, address: `${address}x` })
    expect(refused.json().detail).toMatchObject([{ type: 'string_too_long', loc: ['body', 'address'] }])
    expect((await api.post(houses, { ...house, address })).json().address).toBe('x'.padEnd(50))
  }, 5000)

  test('a body may have 64 KiB', async () => {
    const json = JSON.stringify(house)
    expect((await send(json.padEnd(65536))).statusCode).toBe(200)
    expectJson(await send(json.padEnd(65537)), 413, '{"detail":"A body may have at most 65536 bytes."}')
  })
})

describe('paths and methods', () => {
  /** The answer to a request with this line and this Host. */
  const ask = (line: string, host = 'example.org:8080') =>
    exchange(port, `${line} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)

  test.each([
    ['/api/v1/housing_type', '/api/v1/housing_type/'],
    ['/api/v1/housing', '/api/v1/housing/'],
    ['/api/v1/housing_type/SFD/', '/api/v1/housing_type/SFD'],
    ['/api/v1/housing_type/SFD//', '/api/v1/housing_type/SFD'],
    ['/api/v1/housing/V8V%201A1/?limit=1', '/api/v1/housing/V8V%201A1?limit=1'],
    ['/api/v1/housing_type?', '/api/v1/housing_type/'],
    ['/api/v1/housing/%C3%A9%0a%3f+/?a=%zz&&b=%c3%A9;c?d=/', '/api/v1/housing/%C3%A9%0a%3f+?a=%zz&&b=%c3%A9;c?d=/'],
  ])('%s is redirected to %s, whatever the method', async (from, to) => {
    for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND']) {
      const [head, body] = (await ask(`${method} ${from}`)).split('\r\n\r\n')
      expect(head).toMatch(/^HTTP\/1.1 307 /)
      expect(Buffer.from(head as string, 'latin1').toString()).toContain(
        `\r\nlocation: http://example.org:8080${to}\r\n`,
      )
      expect(body).toBe('')
    }
  })

  test('the redirect is to the requested host, and relative without one', async () => {
    expect(await ask('GET /api/v1/housing?a', '[::1]:80')).toContain('location: http://[::1]:80/api/v1/housing/?a\r\n')
    expect(await ask('GET http://a.example/api/v1/housing?a', '[::1]:80')).toContain(
      'location: http://a.example/api/v1/housing/?a\r\n',
    )
    expect(await exchange(port, 'GET /api/v1/housing HTTP/1.0\r\n\r\n')).toContain('location: /api/v1/housing/\r\n')
  })

  test.each([
    '//',
    '/api/v1/housing_type//',
    '/api/v1//housing_type/',
    '/api/v1',
    '/api/v1/',
    '/API/v1/housing_type/',
    '/api/v1/Housing_type/',
    '/api/v1/housing_types/',
    '/api/v1/housing_type/SFD/x',
    '/api',
    '/api/v3/housing',
    '/.//',
    '/nope',
  ])('%s is a 404, whatever the method', async (path) => {
    for (const method of ['GET', 'POST', 'DELETE', 'PROPFIND']) {
      const answer = await ask(`${method} ${path}`)
      expect(answer).toMatch(/^HTTP\/1.1 404 /)
      expect(answer.split('\r\n\r\n')[1]).toBe('{"detail":"Not Found"}')
    }
  })

  test('a path of thousands of slashes is routed as fast as any other', async () => {
    const path = `/x${'/'.repeat(8000)}x/`
    for (let i = 0; i < 100; i++) expect((await api.get(path)).statusCode).toBe(404)
  }, 8000)

  test('another method is a 405 with Allow, before anything else is checked', async () => {
    const reads = [
      '/',
      types,
      `${types}SFD`,
      `${types}nope`,
      `${houses}V8V%201A1?skip=x`,
      '/openapi.json',
      '/docs',
      '/redoc',
    ]
    for (const url of reads)
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE'] as const)
        for (const type of ['text/x', 'nonsense', '']) {
          const answer = await api.send(method as 'POST', url, '{', { 'content-type': type })
          expectJson(answer, 405, '{"detail":"Method Not Allowed"}')
          expect(answer.headers.allow).toBe('GET, HEAD')
        }
    expectJson(await api.post('/nope', '{', { 'content-type': 'nonsense' }), 404, '{"detail":"Not Found"}')
    expect((await api.post('/api/v1/housing', '{', { 'content-type': '' })).statusCode).toBe(307)
    for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'] as const) {
      const answer = await app.inject({ method: method as 'GET', url: houses })
      expect(answer.statusCode).toBe(405)
      expect(answer.headers.allow).toBe('POST')
      expect(answer.body).toBe('{"detail":"Method Not Allowed"}')
    }
  })
})

describe('browsers', () => {
  test('an allowed origin may read every answer, any other origin none', async () => {
    const answers = [
      [200, () => types],
      [307, () => '/api/v1/housing_type'],
      [404, () => '/nope'],
      [404, () => `${types}XXX`],
      [405, () => houses],
      [422, () => `${types}?skip=x`],
    ] as const
    for (const [status, url] of answers) {
      const allowed = await api.get(url(), { origin })
      expect(allowed.statusCode).toBe(status)
      expect(allowed.headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        vary: 'Origin',
      })
      for (const other of ['https://evil.test', `${origin}/`, 'http://LOCALHOST:5173', 'http://localhost', 'null', ''])
        expect((await api.get(url(), { origin: other })).headers['access-control-allow-origin']).toBeUndefined()
      expect((await api.get(url())).headers['access-control-allow-origin']).toBeUndefined()
    }
  })

  test('a preflight is answered for any path', async () => {
    const preflight = (url: string, origin: string) =>
      app.inject({
        method: 'OPTIONS',
        url,
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'content-type, x-any',
        },
      })
    for (const url of [houses, '/api/v1/housing', '/nope', '/', '/api/v2/housing']) {
      const { statusCode, headers } = await preflight(url, origin)
      expect([200, 204]).toContain(statusCode)
      expect(headers).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-credentials': 'true',
        'access-control-allow-methods': expect.stringContaining('POST'),
        'access-control-allow-headers': 'content-type, x-any',
        'access-control-max-age': '600',
        vary: 'Origin',
      })
      expect((await preflight(url, 'https://evil.test')).headers).not.toHaveProperty('access-control-allow-origin')
    }
  })
})

test('the contract has the operations of the predecessor, with their parameters and bodies', async () => {
  const { openapi, info, paths, components } = (await api.get('/openapi.json')).json()
  expect(openapi).toMatch(/^3\.1\./)
  expect(info.title).toBe('Sample API')
  const told = Object.entries<Record<string, Operation>>(paths)
    .filter(([path]) => path === '/' || path.startsWith('/api/v1'))
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { operationId, tags = [], summary, parameters = [], responses }]) => [
        `${method} ${path}`,
        operationId,
        tags.join(),
        summary,
        parameters.map(({ name, in: place, required = false, schema }) => [
          name,
          place,
          required,
          schema.type,
          schema.default,
        ]),
        Object.keys(responses).filter((status) => ['200', '422'].includes(status)),
      ]),
    )
  const paging = [
    ['skip', 'query', false, 'integer', 0],
    ['limit', 'query', false, 'integer', 100],
  ]
  const path = (name: string) => [name, 'path', true, 'string', undefined]
  expect(told).toEqual([
    [
      'get /api/v1/housing_type/',
      'get_all_housing_types_api_v1_housing_type__get',
      'Housing Types',
      'Get All Housing Types',
      paging,
      ['200', '422'],
    ],
    [
      'get /api/v1/housing_type/{code}',
      'get_housing_type_code_api_v1_housing_type__code__get',
      'Housing Types',
      'Get Housing Type Code',
      [path('code')],
      ['200', '422'],
    ],
    [
      'get /api/v1/housing/{postal_code}',
      'get_housing_in_postal_code_api_v1_housing__postal_code__get',
      'Housing',
      'Get Housing In Postal Code',
      expect.arrayContaining([path('postal_code'), ...paging]),
      ['200', '422'],
    ],
    ['post /api/v1/housing/', 'create_house_api_v1_housing__post', 'Housing', 'Create House', [], ['200', '422']],
    ['get /', 'root__get', '', 'Root', [], ['200']],
  ])
  const { requestBody } = paths['/api/v1/housing/'].post
  expect(requestBody).toMatchObject({
    required: true,
    content: { 'application/json': { schema: { $ref: '#/components/schemas/V1HousingInput' } } },
  })
  expect(components.schemas.V1HousingInput.required).toEqual(Object.keys(house))
  expect(components.schemas.V1Housing.required).toEqual([...Object.keys(house), 'housing_id'])
  expect(components.schemas.V1HousingType.required).toEqual(['code', 'description', 'housing_type_id'])
  for (const page of ['/docs', '/redoc'])
    expect((await fetch(`http://127.0.0.1:${port}${page}`)).headers.get('content-type')).toMatch(/^text\/html/)
})

interface Operation {
  operationId: string
  tags?: string[]
  summary: string
  parameters?: { name: string; in: string; required?: boolean; schema: { type: string; default?: unknown } }[]
  responses: object
}
