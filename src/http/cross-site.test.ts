import { afterEach, describe, expect, test, vi } from 'vitest'
import { apiOver, noDatabase, startApi } from '../../test/support/api.ts'
import { client, expectProblem, library } from '../../test/support/http.ts'
import { createLog } from '../log.ts'

const allowed = 'https://app.example'
const warnings: string[] = []
const log = Object.assign(createLog('silent'), { warn: (line: string) => warnings.push(line) })
const { app, database } = await startApi({ log, origins: [allowed] })
const api = client(app)

const v2 = '/api/v2/housing'
const v1 = '/api/v1/housing/'
const { housing_type, ...members } = library
const v1House = { ...members, housing_type_id: 4 }
const host = 'api.example:8443'

/** Headers by which a browser says where a request comes from. */
type Mark = Record<string, string>

const crossSite: Mark[] = [
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
  { 'sec-fetch-site': 'cross-site', origin: `https://${host}` },
  { 'sec-fetch-site': 'same-origin, cross-site' },
  { 'sec-fetch-site': 'nonsense' },
  { 'sec-fetch-site': '' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: '' },
  { origin: 'https://api.example' },
  { origin: 'https://api.example:8444' },
  { origin: `https://${host}.evil.example` },
  { origin: `https://${host}@evil.example` },
  { origin: `ftp://${host}` },
  { origin: 'file://' },
  { origin: host },
  { origin: `${allowed}.evil.example` },
  { origin: `${allowed}/` },
  { origin: 'http://app.example' },
]

const ours: Mark[] = [
  {},
  { 'sec-fetch-site': 'same-origin' },
  { 'sec-fetch-site': 'none' },
  { 'sec-fetch-site': 'same-origin', origin: `https://${host}` },
  { 'sec-fetch-site': 'same-origin', origin: 'https://elsewhere.example' }, // behind a proxy that changes Host
  { origin: `https://${host}` },
  { origin: `http://${host}` },
  { origin: allowed },
  { 'sec-fetch-site': 'cross-site', origin: allowed },
]

describe('a change that a browser marks as sent by another site', () => {
  test.each(crossSite)('%j is rejected, in each version and whatever the method', async (mark) => {
    const headers = { host, ...mark }
    expectProblem(await api.post(v2, library, headers), 403, 'cross-site-request')
    const refused = await api.send('POST', v1, JSON.stringify(v1House), { ...headers, 'content-type': '' })
    expect([refused.statusCode, refused.body]).toEqual([403, '{"detail":"Cross-site request refused"}'])
    for (const method of ['PUT', 'PATCH', 'DELETE'] as const)
      expectProblem(await api.send(method, `${v2}/1`, {}, headers), 403, 'cross-site-request')
    expectProblem(await api.post(`${v2}/1/versions/1/restore`, undefined, headers), 403, 'cross-site-request')
    expect((await api.get(v2)).json().items).toEqual([])
  })

  test.each(crossSite)('%j may be read, as far as CORS allows', async (mark) => {
    for (const method of ['GET', 'HEAD', 'OPTIONS'] as const)
      expect((await api.send(method, v2, undefined, { host, ...mark })).statusCode).toBeLessThan(300)
  })

  test.each(ours)('%j is not a mark of another site', async (mark) => {
    expect((await api.post(v2, library, { host, ...mark })).statusCode).toBe(201)
    expect((await api.post(v1, v1House, { host, ...mark })).statusCode).toBe(200)
  })

  test('an origin may name the default port or omit it', async () => {
    const send = (host: string, origin: string) => api.post(v2, library, { host, origin })
    for (const host of ['api.example', 'api.example:443', 'API.example'])
      expect((await send(host, 'https://api.example')).statusCode).toBe(201)
    expect((await send('api.example:80', 'http://api.example')).statusCode).toBe(201)
    expect((await send('api.example:80', 'https://api.example')).statusCode).toBe(403)
    expect((await send('1.2.3.4.5', 'https://api.example')).statusCode).toBe(403)
  })

  test('is carried out if every origin is allowed', async () => {
    const open = client(await apiOver(database, { origins: '*' }))
    for (const mark of crossSite) expect((await open.post(v2, library, { host, ...mark })).statusCode).toBe(201)
  })

  test('is compared with the address that clients use, if a trusted proxy names it', async () => {
    const behind = client(await apiOver(database, { trustProxy: ['127.0.0.1'] }))
    const proxied = { host: '10.0.0.7:3000', 'x-forwarded-host': 'api.example', 'x-forwarded-proto': 'https' }
    const send = (api: typeof behind, origin: string) => api.post(v2, library, { ...proxied, origin })
    expect((await send(behind, 'https://api.example')).statusCode).toBe(201)
    expect((await send(behind, 'http://api.example')).statusCode).toBe(403)
    expect((await send(behind, 'http://10.0.0.7:3000')).statusCode).toBe(403)
    expect((await send(api, 'https://api.example')).statusCode).toBe(403)
    expect((await send(api, 'http://10.0.0.7:3000')).statusCode).toBe(201)
  })
})

describe('the log', () => {
  /** An API that has not reported any origin yet. */
  const fresh = async (origins: string[] = []) => {
    warnings.length = 0
    return client(await apiOver(noDatabase, { log, origins }))
  }
  const warningOf = (origin: string) =>
    `The origin ${origin} is not in ORIGINS: its pages can neither read answers nor change anything.`
  afterEach(() => void vi.useRealTimers())

  test.each(['OPTIONS', 'GET', 'POST'] as const)('says once that an origin is rejected, at %s', async (method) => {
    for (const origins of [[], [allowed]]) {
      const api = await fresh(origins)
      const preflight = { origin: 'https://x.example', 'access-control-request-method': 'POST' }
      for (let i = 0; i < 3; i++) await api.send(method, '/', undefined, preflight)
      expect(warnings).toEqual([warningOf('https://x.example')])
      await api.send(method, '/', undefined, { origin: 'null' })
      expect(warnings).toEqual([warningOf('https://x.example'), warningOf('null')])
    }
  })

  test('says it again a minute later', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
    const api = await fresh()
    const ask = () => api.get('/', { origin: 'https://x.example' })
    await ask()
    vi.setSystemTime(Date.now() + 59_000)
    await ask()
    expect(warnings).toHaveLength(1)
    vi.setSystemTime(Date.now() + 1000)
    await ask()
    expect(warnings).toHaveLength(2)
  })

  test('says nothing of own and allowed origins', async () => {
    const api = await fresh([allowed])
    for (const mark of ours) await api.post('/', {}, { host, ...mark })
    expect(warnings).toEqual([])
  })

  test('is neither flooded nor forged by invented origins', async () => {
    const api = await fresh()
    for (let i = 0; i < 300; i++) await api.get('/', { origin: `https://${i}.example` })
    expect(warnings).toHaveLength(100)
    const other = await fresh()
    await other.get('/', { origin: `a"\u001b[31m\u009b\n{}${'x'.repeat(1000)}` })
    expect(warnings).toEqual([warningOf(`a"?[31m??{}${'x'.repeat(189)}`)])
  })
})
