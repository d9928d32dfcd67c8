import { expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { client, expectProblem } from '../../test/support/http.ts'

const { app } = await startApi()
const api = client(app)
const housing = '/api/v2/housing'
const house = { address: '1', street: 'Main', city: 'Victoria', postal_code: 'V8V 1A1', housing_type: 'SFD' }
const json = JSON.stringify(house)
const send = (payload: string | Buffer, type = 'application/json') =>
  app.inject({ method: 'POST', url: housing, headers: { 'content-type': type }, payload })

test.each([
  'application/json',
  'Application/JSON',
  'application/json; charset=utf-8',
  'application/json;charset="UTF-8"',
  'application/json; charset=utf8',
  'application/json;Charset="UTF8"',
  'application/json; charset=Utf8; x=y',
])('a body of the type %s is read', async (type) => expect((await send(json, type)).statusCode).toBe(201))

const wrongTypes = [
  'text/plain',
  'text/json',
  'application/xml',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=x',
  'application/jsonp',
  'application/json5',
  'application/ld+json',
  'application/merge-patch+json',
  'application/problem+json',
  'application/x-ndjson',
  'application/json, text/plain',
  'application/json; charset=latin1',
  'application/json; charset=utf-16',
  'application/json; charset=utf-88',
  'application/json; charset=xutf8',
  'application/octet-stream',
  'application',
  '/',
  '*/*',
  'json',
  ';',
  ' ',
  'application/',
  '/json',
  'application /json',
  'application/json text',
  'text/html, application/json',
  'application/json/x',
  'applicationjson',
  'image/png',
  'application/javascript',
  'application/vnd.api+json',
  'application/graphql',
  'text/csv',
  'application/\u00e9json',
  'x',
  'application/json+json',
  'null',
  'undefined',
  'application/*',
  'audio/json',
]

test('every other type is a 415 that names the right one, and is never read', async () => {
  expect(wrongTypes).toHaveLength(42)
  for (const type of wrongTypes) {
    const answer = await send(json, type)
    expectProblem(answer, 415, 'unsupported-media-type')
    expect(answer.headers['accept-post'], type).toBe('application/json')
  }
  expect((await api.get(`${housing}?count=exact`)).json().total).toBe(0)
})

test('a missing type is a 415, and so is a missing body', async () => {
  expectProblem(
    await app.inject({ method: 'POST', url: housing, payload: json, headers: { 'content-type': '' } }),
    415,
    'unsupported-media-type',
  )
  expectProblem(await app.inject({ method: 'POST', url: housing }), 415, 'unsupported-media-type')
  const patch = await app.inject({
    method: 'PATCH',
    url: `${housing}/1`,
    headers: { 'content-type': 'text/plain', 'if-match': '*' },
    payload: '{}',
  })
  expectProblem(patch, 415, 'unsupported-media-type')
  expect(patch.headers['accept-patch']).toBe('application/merge-patch+json, application/json')
})

test('a body in another encoding is a 415', async () => {
  const encoded = (encoding: string) =>
    api.send('POST', housing, json, { 'content-encoding': encoding, 'content-type': 'application/json' })
  expectProblem(await encoded('gzip'), 415, 'unsupported-media-type')
  expect((await encoded('identity')).statusCode).toBe(201)
})

test.each([
  ['nothing', ''],
  ['half a document', json.slice(0, -1)],
  ['two documents', json + json],
  ['a trailing comma', '{"a":1,}'],
  ['a comment', '{/* */}'],
  ['NaN', '{"a":NaN}'],
  ['a control character', '{"a":"\u0001"}'],
  ['a duplicate member', '{"a":1,"a":1}'],
  ['a duplicate member, escaped', '{"a":1,"\\u0061":1}'],
  ['a duplicate member further in', '{"x":[{"y":{"":1,"":2}}]}'],
  ['a depth of 33', `${'['.repeat(33)}${']'.repeat(33)}`],
  ['a depth of 30,000', `${'{"a":'.repeat(10000)}1${'}'.repeat(10000)}`],
])('%s is a 400', async (_what, body) => expectProblem(await send(body), 400, 'malformed-body'))

test('an object may have 50 members, and the rejection of more, or of the same twice, says where', async () => {
  const members = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, 0]))
  expect((await send(JSON.stringify({ a: members(50) }))).statusCode).toBe(422)
  const details = []
  for (const body of [
    JSON.stringify({ a: [0, { 'b/~': members(51) }] }),
    JSON.stringify(members(51)),
    '{"a":{},"b":[{},{"c":[[],{"x":1,"y":2,"x":3}]}]}',
    `{"${'n'.repeat(5000)}":{"x":1,"x":2}}`,
  ]) {
    const answer = await send(body)
    expectProblem(answer, 400, 'malformed-body')
    details.push(answer.json().detail)
  }
  expect(details).toEqual([
    'An object must not have more than 50 members in /a/1/b~1~0.',
    'An object must not have more than 50 members.',
    'The member "x" must not occur twice in /b/1/c/1.',
    `The member "x" must not occur twice in /${'n'.repeat(100)}….`,
  ])
})

test('bytes that are not UTF-8 are a 400', async () => {
  for (const bytes of [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xe9]])
    expectProblem(await send(Buffer.from([0x22, ...bytes, 0x22])), 400, 'malformed-body')
  expectProblem(await send(Buffer.from(json, 'utf16le')), 400, 'malformed-body')
})

test('a body that only looks ambiguous is read as it is', async () => {
  const odd = { ...house, address: '{"a":1,"a":2}', street: '\\"}', city: '[[[[' }
  expect((await send(`\ufeff ${JSON.stringify(odd)}\n`)).json()).toMatchObject(odd)
  expectProblem(await send('{"a":{"b":1},"c":{"b":1}}'), 422, 'invalid-body', [
    '/a',
    '/c',
    ...Object.keys(house).map((name) => `/${name}`),
  ])
  expectProblem(await send(`{"__proto__":{},"constructor":1,${json.slice(1)}`), 422, 'invalid-body', [
    '/__proto__',
    '/constructor',
  ])
})

test('a body may have 65536 bytes', async () => {
  expect((await send(json + ' '.repeat(65536 - json.length))).statusCode).toBe(201)
  expectProblem(await send(json + ' '.repeat(65537 - json.length)), 413, 'body-too-large')
})
