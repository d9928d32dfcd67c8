import { describe, expect, test } from 'vitest'
import { apiOver, noDatabase, startApi } from '../../test/support/api.ts'
import { client, library } from '../../test/support/http.ts'

const { database } = await startApi()
const housing = '/api/v2/housing'
const types = '/api/v2/housing-types'

/** An API without data that trusts these proxies; the requests of tests come from 127.0.0.1. */
const behind = async (...trustProxy: string[]) => apiOver(noDatabase, { trustProxy })

describe('the headers X-Forwarded-*', async () => {
  const trusting = await behind('127.0.0.1')
  const redirect = async (headers: Record<string, string>, app = trusting) =>
    (await app.inject({ url: '/api/v1/housing?a', headers })).headers.location
  const own = 'http://localhost:80/api/v1/housing/?a'

  test.each([
    [[], '127.0.0.1', false],
    [['10.0.0.0/8'], '127.0.0.1', false],
    [['127.0.0.0/8'], '127.0.0.1', true],
    [['10.0.0.0/8', '127.0.0.1'], '127.0.0.1', true],
    [['10.0.0.0/8'], '10.255.0.1', true],
    [['10.0.0.0/8'], '11.0.0.1', false],
    [['10.0.0.0/8'], '::ffff:10.0.0.1', true],
    [['10.0.0.7'], '10.0.0.8', false],
    [['fd00::/8'], 'fd12::1', true],
    [['fe80::/10'], 'fe80::1%eth0', true],
    [['::1'], '::2', false],
    [['2000::/3'], '127.0.0.1', false],
  ] as const)('count, if %j are trusted and %s sends them: %s', async (proxies, remoteAddress, trusted) => {
    const app = await behind(...proxies)
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'a.example', 'x-forwarded-prefix': '/p' }
    const { location } = (await app.inject({ url: '/api/v1/housing', headers, remoteAddress })).headers
    expect(location).toBe(trusted ? 'https://a.example/p/api/v1/housing/' : 'http://localhost:80/api/v1/housing/')
  })

  test.each(['javascript', 'ftp', 'https:', 'https://evil', '', ' ', 'http\u00e9', ', https'])(
    'as a scheme do not count if it is %j',
    async (scheme) => {
      expect(await redirect({ 'x-forwarded-proto': scheme })).toBe(own)
    },
  )

  test.each([
    '',
    ' ',
    'a b',
    'a/b',
    'a@b',
    'a?b',
    '"<>',
    'é',
    'a:b',
    'a:65536',
    '//a',
    'http://a',
    '[::x]',
    ', a.example',
  ])('are ignored if the host is %j', async (host) => {
    expect(await redirect({ 'x-forwarded-host': host })).toBe(own)
  })

  test.each([
    'prefix',
    '//evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    'http://evil.example',
    '/a b',
    '/a\t',
    '/a"><script>',
    '/a?b',
    '/a#b',
    '/a;b',
    '/a%2f',
    '/a//b',
    '/..',
    '/a/../b',
    '/a/..',
    '/./a',
    '/é',
    '/',
    '',
  ])('are ignored if the prefix is %j', async (prefix) => {
    expect(await redirect({ 'x-forwarded-prefix': prefix })).toBe(own)
    const problem = (await trusting.inject({ url: '/api/v2/x', headers: { 'x-forwarded-prefix': prefix } })).json()
    expect(problem).toMatchObject({ type: '/problems/not-found', instance: '/api/v2/x' })
  })

  test('in a list from several proxies, the first item counts', async () => {
    const headers = {
      'x-forwarded-proto': 'HTTPS, http',
      'x-forwarded-host': 'api.example:8443 , 10.0.0.1',
      'x-forwarded-prefix': '/a/b.c-d_e~f/, /g',
    }
    expect(await redirect(headers)).toBe('https://api.example:8443/a/b.c-d_e~f/api/v1/housing/?a')
  })
})

describe('below a prefix', async () => {
  const prefix = '/registry/homes'
  const app = await apiOver(database, { trustProxy: ['127.0.0.1'] })
  const api = client(app)
  const proxied = { 'x-forwarded-prefix': prefix }

  test('Location names the new resource, of an original and of a repeated answer, each for its own client', async () => {
    const key = { 'idempotency-key': 'a' }
    const created = await api.post(housing, library, { ...proxied, ...key })
    expect(created.headers.location).toBe(`${prefix}${housing}/1`)
    const location = async (headers: Record<string, string>) => {
      const again = await api.post(housing, library, { ...headers, ...key })
      expect([again.headers['idempotency-replayed'], again.body]).toEqual(['true', created.body])
      return again.headers.location
    }
    expect(await location(proxied)).toBe(`${prefix}${housing}/1`)
    expect(await location({ 'x-forwarded-prefix': '/other' })).toBe(`/other${housing}/1`)
    expect(await location({})).toBe(`${housing}/1`)
    const type = await api.put(`${types}/TNH`, { description: 'Town House' }, proxied)
    expect([type.statusCode, type.headers.location]).toEqual([201, `${prefix}${types}/TNH`])
  })

  test('Link leads to the pages of a list', async () => {
    for (let i = 0; i < 3; i++) await api.post(housing, library)
    const { headers } = await api.get(`${housing}?limit=1`, proxied)
    const [first, next] = [...String(headers.link).matchAll(/<(.*?)>; rel="(first|next)"/g)].map(([, url]) => url)
    expect(first).toBe(`${prefix}${housing}?sort=id&limit=1`)
    expect(next).toMatch(new RegExp(`^${prefix}${housing}\\?cursor=`))
    expect((await api.get(String(next).slice(prefix.length), proxied)).json().items).toMatchObject([{ id: 2 }])
  })

  test.each([
    ['GET', `${housing}/7`, 404, 'not-found'],
    ['GET', '/api/v2/nope', 404, 'not-found'],
    ['PUT', housing, 405, 'method-not-allowed'],
    ['GET', '/api/v2/%', 400, 'malformed-request'],
    ['GET', '/problems/nope', 404, 'not-found'],
    ['POST', `${housing}?x=1`, 400, 'invalid-parameter'],
  ] as const)('a problem of %s %s names its page and the path', async (method, url, status, code) => {
    const answer = await api.send(method, url, undefined, proxied)
    expect(answer.statusCode).toBe(status)
    const instance = prefix + url.replace(/\?.*/, '')
    expect(answer.json()).toMatchObject({ type: `${prefix}/problems/${code}`, instance, code })
  })

  test('redirects lead there', async () => {
    const locationOf = async (url: string, headers = {}) =>
      (await api.get(url, { ...proxied, ...headers })).headers.location
    expect(await locationOf('/redoc')).toBe(`${prefix}/docs`)
    expect(await locationOf('/docs/static/index.html')).toBe(`${prefix}/docs/`)
    expect(await locationOf('/api/v1/housing?a')).toBe(`http://localhost:80${prefix}/api/v1/housing/?a`)
  })

  test('the documentation loads its files and the contract from there, and sends requests there', async () => {
    for (const path of ['/docs', '/docs/']) {
      const page = (await api.get(path, proxied)).body
      const files = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, file]) => file as string)
      expect(files.length).toBeGreaterThan(5)
      for (const file of files) {
        const { pathname } = new URL(file, `https://api.example${prefix}${path}`)
        expect(pathname.startsWith(`${prefix}/`), file).toBe(true)
        expect((await api.get(pathname.slice(prefix.length))).statusCode).toBe(200)
      }
    }
    for (const path of ['/docs/json', '/openapi.json']) {
      expect((await api.get(path, proxied)).json().servers).toEqual([{ url: prefix }])
      expect((await api.get(path, { 'x-forwarded-prefix': '/other' })).json().servers).toEqual([{ url: '/other' }])
      expect((await api.get(path)).json().servers).toEqual([{ url: '/' }])
    }
  })
})
