import { describe, expect, test } from 'vitest'
import { apiOver, noDatabase } from '../../test/support/api.ts'
import { client, exchange, expectProblem, listen } from '../../test/support/http.ts'
import { readConfig } from '../config/config.ts'

/** A port that answers to these names. */
async function portOf(HOSTS?: string): Promise<number> {
  const { hosts } = readConfig({ HOSTS })
  return listen(await apiOver(noDatabase, { hosts }))
}

const status = (answer: string) => Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1])
const codeOf = (answer: string) => JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)).code
const get = (port: number, host: string, target = '/api/v2/housing-types/0') =>
  exchange(port, Buffer.from(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, 'latin1'))

describe('the names that a service answers to', async () => {
  const byDefault = await portOf()
  const given = await portOf('api.example.org,*.example.net,10.0.0.7,[2001:db8::1]')
  const any = await portOf('*')

  test.each([
    'localhost',
    'localhost:3000',
    'LOCALHOST',
    'localhost.',
    'a.b.localhost',
    '127.0.0.1:1',
    '[::1]',
    '[0:0::1]:9',
  ])('%s is its own by default', async (host) => {
    expect(status(await get(byDefault, host))).toBe(404)
    expect(status(await get(given, host))).toBe(421)
    expect(status(await get(any, host))).toBe(404)
  })

  test.each([
    'rebind.example',
    'localhost.evil.example',
    'notlocalhost',
    '127.0.0.1.evil.example',
    '10.0.0.1',
    '[::2]',
    '127.0.0.2',
  ])('%s is not, and gets a 421', async (host) => {
    const answer = await get(byDefault, host)
    expect([status(answer), codeOf(answer)]).toEqual([421, 'misdirected-request'])
    expect(status(await get(any, host))).toBe(404)
  })

  test.each([
    ['api.example.org', 404],
    ['API.example.org.:8443', 404],
    ['a.example.net', 404],
    ['a.b.example.net', 404],
    ['10.0.0.7', 404],
    ['[2001:DB8:0::1]:80', 404],
    ['example.org', 421],
    ['x.api.example.org', 421],
    ['example.net', 421],
    ['aexample.net', 421],
    ['localhost', 421],
  ])('if HOSTS names others, %s gets a %i', async (host, expected) => {
    expect(status(await get(given, host))).toBe(expected)
  })

  test('the host of an absolute target counts, whatever Host says', async () => {
    const path = '/api/v2/housing-types/0'
    expect(status(await get(byDefault, 'rebind.example', `http://localhost:3000${path}`))).toBe(404)
    for (const target of [`http://rebind.example${path}`, `HTTPS://rebind.example:80${path}`, 'http://rebind.example'])
      expect(status(await get(byDefault, 'localhost', target)), target).toBe(421)
    for (const target of [`http://${path}`, `http://a@localhost${path}`, `http://localhost:x${path}`, 'http://?'])
      expect(status(await get(byDefault, 'localhost', target)), target).toBe(400)
  })

  test.each([
    ['/', 421],
    ['/docs', 421],
    ['/openapi.json', 421],
    ['/nope', 421],
    ['/%zz', 421],
    ['/api/v1/housing_type', 421],
    ['/livez', 200],
    ['/readyz', 503],
    ['/healthz', 503],
    ['/%6civez', 200],
    ['/livez?x', 200],
  ])('with another name %s answers %i: only probes answer to any name', async (target, expected) => {
    const answer = await get(byDefault, 'rebind.example', target)
    expect(status(answer)).toBe(expected)
    if (expected === 421) expect(answer).toContain('The service does not answer to the name rebind.example.')
  })

  test('nothing is changed under another name, even for a page with that name as its origin', async () => {
    const head =
      'Host: rebind.example\r\nOrigin: http://rebind.example\r\nSec-Fetch-Site: same-origin\r\nConnection: close'
    for (const path of ['/api/v1/housing/', '/api/v2/housing'])
      expect(status(await exchange(byDefault, `POST ${path} HTTP/1.1\r\n${head}\r\nContent-Length: 0\r\n\r\n`))).toBe(
        421,
      )
  })
})

describe('a malformed Host', async () => {
  const port = await portOf('*')

  test.each([
    '',
    ' ',
    'a b',
    'a/b',
    '"<>',
    'a@b',
    'a?b',
    'a#b',
    'a,b',
    'é',
    'a:b',
    'a:65536',
    ':80',
    '.',
    'a..b',
    '[::1',
    '[::x]',
    '::1',
    '[a]',
    'http://a',
    'a%41',
  ])('%j is a 400, in each version and for probes', async (host) => {
    for (const target of ['/api/v2/housing', '/api/v1/housing', '/livez', '/%zz', '/nope', 'http://localhost/'])
      expect(status(await get(port, host, target)), target).toBe(400)
    expect(codeOf(await get(port, host))).toBe('malformed-request')
  })

  test.each([
    'a',
    'a_b',
    'a-b.c',
    'a:',
    'a:0',
    'a:65535',
    'a.',
    '1.2.3.4.5',
    '[::ffff:127.0.0.1]',
    'xn--bcher-kva.example',
  ])('%j is well-formed', async (host) => {
    expect(status(await get(port, host, '/'))).toBe(200)
  })

  test('HTTP/1.1 must have Host exactly once, HTTP/1.0 need not have it', async () => {
    const send = (version: string, ...hosts: string[]) =>
      exchange(port, [`GET / HTTP/${version}`, ...hosts, 'Connection: close', '', ''].join('\r\n'))
    expect(status(await send('1.1'))).toBe(400)
    expect(status(await send('1.1', 'Host: a', 'Host: a'))).toBe(400)
    expect(status(await send('1.1', 'Host: a', 'X: y', 'hOST: b'))).toBe(400)
    expect(status(await send('1.0', 'Host: a', 'Host: b'))).toBe(400)
    expect(status(await send('1.0'))).toBe(200)
    expect(status(await send('1.0', 'Host: a'))).toBe(200)
  })
})

test.each([
  'GET / HTTP/0.9',
  'GET / HTTP/2.0',
  'GET /',
  'GET * HTTP/1.1',
  'POST * HTTP/1.1',
  'GET ftp://localhost/ HTTP/1.1',
  'GET http:/x HTTP/1.1',
  'OPTIONS *x HTTP/1.1',
])('%s is a 400', async (line) => {
  const answer = await exchange(await portOf('*'), `${line}\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  expect(status(answer)).toBe(400)
})

test('the 421 of version 2 is a problem, and that of version 1 one sentence', async () => {
  const api = client(await apiOver(noDatabase, { hosts: ['localhost'] }))
  const other = { host: 'rebind.example' }
  expectProblem(await api.get('/api/v2/housing', other), 421, 'misdirected-request')
  const answer = await api.get('/api/v1/housing_type/', other)
  expect(answer.statusCode).toBe(421)
  expect(answer.json()).toEqual({ detail: expect.stringContaining('rebind.example') })
})
