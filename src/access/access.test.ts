import { once } from 'node:events'
import { connect } from 'node:net'
import type { FastifyContextConfig, FastifyInstance } from 'fastify'
import type { KyselyPlugin } from 'kysely'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { apiOver, optionsFor, silent, startApi } from '../../test/support/api.ts'
import { client, exchange, expectProblem, library as house, listen } from '../../test/support/http.ts'
import { audience, startIssuer } from '../../test/support/issuer.ts'
import type { AccessSettings, Scope } from '../config/access-settings.ts'
import { scopes } from '../config/settings.ts'
import { createApp } from '../http/app.ts'
import type { Log } from '../log.ts'
import { controlAccess } from './access.ts'
import { makeApiKey } from './api-key.ts'

const issuer = await startIssuer()
const settings: AccessSettings = {
  auth: 'keys',
  anonymous: [],
  tokens: { issuer: issuer.url, audience },
  rateLimit: Number.POSITIVE_INFINITY,
}

/** What the log says of denials. */
const warnings: { fields: Record<string, string>; message: string }[] = []
const lines: string[] = []
const log: Log = Object.assign(Object.create(silent), {
  line: (line: string) => lines.push(line),
  throttled: (_level: string, _kind: string, fields: Record<string, string>, message: string) =>
    warnings.push({ fields, message }),
})

/** Counts the statements that the API sends. */
let statements = 0
const counting: KyselyPlugin = {
  transformQuery({ node }) {
    statements += 1
    return node
  },
  transformResult: async ({ result }) => result,
}

const { db, database, app: open } = await startApi()
const counted = { ...database, db: database.db.withPlugin(counting) }
const app = await apiOver(counted, { access: settings, log })
afterAll(async () => {
  await app.close()
  await issuer.close()
})

const bearer = (credentials: string) => ({ authorization: `Bearer ${credentials}` })

const day = (fromNow: number) => new Date(Date.now() + fromNow * 24 * 60 * 60 * 1000).toISOString()

/** A key of the database, which is emptied before each test. */
async function keyOf(granted: readonly Scope[], more: { expires_at?: string; revoked_at?: string } = {}) {
  const { key, ...stored } = makeApiKey()
  const times = { created_at: day(-2), expires_at: day(1), ...more }
  await db
    .insertInto('housing.api_keys')
    .values({ ...stored, name: 'test', scopes: [...granted], ...times })
    .execute()
  return key
}

/** Headers of callers with one scope each. */
const callers = {} as Record<Scope, { authorization: string }>
beforeEach(async () => {
  for (const scope of scopes) callers[scope] = bearer(await keyOf([scope]))
  await settle()
})

/** Waits until keys, also the newest one, and housing types are answered from memory. */
async function settle(): Promise<void> {
  const headers = bearer(await keyOf(['housing:read']))
  await expect
    .poll(async () => {
      statements = 0
      const { statusCode } = await app.inject({ url: '/api/v2/housing-types', headers })
      return [statusCode, statements]
    })
    .toEqual([200, 0])
  warnings.length = 0
  lines.length = 0
}

interface Operation {
  security?: Record<string, Scope[]>[]
  requestBody?: { content: Record<string, { example?: unknown }> }
}
const contract = app.swagger() as unknown as { paths: Record<string, Record<string, Operation>> }
const path = { id: '1', version: '1', code: 'COP', postal_code: 'V8V%201A1' }

/** Every operation of the contract that needs a scope, with a request for it. */
const operations = Object.entries(contract.paths).flatMap(([url, methods]) =>
  Object.entries(methods).flatMap(([method, { security = [], requestBody }]) => {
    const needed = security.flatMap((requirement) => Object.values(requirement)).flat()[0]
    const [media] = Object.entries(requestBody?.content ?? {})
    const request = {
      method: method.toUpperCase() as 'GET' | 'POST',
      url: url.replace(/\{(\w+)\}/g, (_, name: keyof typeof path) => path[name]),
      headers: { 'if-match': '*', ...(media && { 'content-type': media[0] }) },
      ...(media && { payload: JSON.stringify(media[1].example) }),
    }
    return needed ? [{ where: `${method} ${url}`, needed, request }] : []
  }),
)

const isV1 = (where: string) => where.includes('/api/v1/')

/** Sends the request of an operation with these headers too. */
const send = ({ request }: (typeof operations)[number], headers: Record<string, string>, to = app) =>
  to.inject({ ...request, headers: { ...request.headers, ...headers } })

test('every operation of both versions needs a scope, and GET / none', () => {
  expect(operations).toHaveLength(21)
  for (const { where, needed, request } of operations) {
    const isOfTypes = where.includes('housing-types')
    const writing = isOfTypes ? 'housing:admin' : 'housing:write'
    expect(needed, where).toBe(request.method === 'GET' ? 'housing:read' : writing)
  }
})

describe('credentials that are not valid', () => {
  const publicKey = (type: 'spki' | 'jwk') => {
    const key = issuer.publicKey('RS256')
    return type === 'jwk' ? JSON.stringify(key.export({ format: 'jwk' })) : key.export({ type, format: 'pem' })
  }
  const now = () => Math.floor(Date.now() / 1000)
  const made: Record<string, () => Promise<string> | string> = {
    'a word': () => 'Bearer garbage',
    'another scheme': () => 'Basic YWxpY2U6c2VjcmV0',
    'a scheme alone': () => 'Bearer',
    'a key with another checksum': async () =>
      `Bearer ${(await keyOf(scopes)).replace(/.$/, (end) => (end === 'a' ? 'b' : 'a'))}`,
    'a key that is cut off': async () => `Bearer ${(await keyOf(scopes)).slice(0, -1)}`,
    'a key and more': async () => `Bearer ${await keyOf(scopes)} x`,
    'an unknown key': () => `Bearer ${makeApiKey().key}`,
    'an expired key': async () => `Bearer ${await keyOf(scopes, { expires_at: day(-1) })}`,
    'a revoked key': async () => `Bearer ${await keyOf(scopes, { revoked_at: day(-1) })}`,
    'a token without signature': () => `Bearer ${issuer.sign({}, { alg: 'none' })}`,
    'a token signed with the public key': () => `Bearer ${issuer.sign({}, { alg: 'HS256', key: publicKey('spki') })}`,
    'a token signed with the public JWK': () => `Bearer ${issuer.sign({}, { alg: 'HS256', key: publicKey('jwk') })}`,
    'a token for another audience': () => `Bearer ${issuer.sign({ aud: 'other' })}`,
    'a token of another issuer': () => `Bearer ${issuer.sign({ iss: 'https://issuer.example' })}`,
    'an expired token': () => `Bearer ${issuer.sign({ exp: now() - 60 })}`,
    'an ID token': () => `Bearer ${issuer.sign({ nonce: 'x' })}`,
    'a token without exp': () => `Bearer ${issuer.sign({ exp: undefined })}`,
  }

  test.each(Object.keys(made))('%s is a 401 on every operation, and costs no statement', async (name) => {
    const authorization = (await made[name]?.()) as string
    await settle()
    for (const operation of operations) {
      statements = 0
      const answer = await send(operation, { authorization })
      expect(answer.headers['www-authenticate'], operation.where).toBe(challenge('error="invalid_token"'))
      if (isV1(operation.where))
        expect([answer.statusCode, answer.body]).toEqual([401, '{"detail":"Not authenticated"}'])
      else expectProblem(answer, 401, 'invalid-token')
      expect(statements, operation.where).toBe(0)
    }
    const secret = authorization.split(' ')[1] ?? ''
    expect(warnings[0]?.message).toMatch(/^Denied with 401: \S/)
    if (secret.length > 20) expect(JSON.stringify([warnings, lines])).not.toContain(secret.slice(0, 20))
  })

  test('all have the same answer, and the log has the reason', async () => {
    const revoked = await keyOf(scopes, { revoked_at: day(-1) })
    const expired = await keyOf(scopes, { expires_at: day(-1) })
    await settle()
    const bodies = []
    for (const credentials of [revoked, expired, makeApiKey().key, 'garbage']) {
      const { body } = await app.inject({
        url: '/api/v2/housing',
        headers: { ...bearer(credentials), 'x-request-id': 'x' },
      })
      bodies.push(body)
    }
    expect(new Set(bodies).size).toBe(1)
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^Denied with 401: the API key [0-9a-f]{8} is revoked$/),
      expect.stringMatching(/^Denied with 401: the API key [0-9a-f]{8} has expired$/),
      'Denied with 401: no such API key',
      expect.stringMatching(/^Denied with 401: /),
    ])
    expect(warnings[0]?.fields).toMatchObject({ request_id: 'x', client: '127.0.0.1', code: 'invalid-token' })
  })
})

const challenge = (parameters: string) =>
  `Bearer realm="sample-api", ${parameters ? `${parameters}, ` : ''}resource_metadata="https://localhost:80/.well-known/oauth-protected-resource"`

test('without credentials every operation is a 401 that says what is needed', async () => {
  for (const operation of operations) {
    statements = 0
    const answer = await send(operation, {})
    expect(answer.headers['www-authenticate'], operation.where).toBe(challenge(''))
    if (isV1(operation.where)) expect([answer.statusCode, answer.body]).toEqual([401, '{"detail":"Not authenticated"}'])
    else {
      expectProblem(answer, 401, 'unauthenticated')
      expect(answer.json().detail).toContain(operation.needed)
    }
    expect(warnings.at(-1)?.message).toBe(`Denied with 401: no credentials, and ${operation.needed} is needed`)
    expect(statements, operation.where).toBe(0)
  }
})

test('without a host, as in HTTP/1.0, the challenge names no page of the API', async () => {
  const answer = await exchange(await listening, 'GET /api/v2/housing HTTP/1.0\r\n\r\n')
  expect(answer).toContain('\r\nwww-authenticate: Bearer realm="sample-api"\r\n')
})

test('a lesser scope is a 403 on every operation, and the scope or a greater one is enough', async () => {
  for (const operation of operations)
    for (const scope of scopes) {
      statements = 0
      const answer = await send(operation, callers[scope])
      const isEnough = scopes.indexOf(scope) >= scopes.indexOf(operation.needed)
      if (isEnough) expect([401, 403, 429, 500], operation.where).not.toContain(answer.statusCode)
      else {
        expect(statements, operation.where).toBe(0)
        const parameters = `error="insufficient_scope", scope="${operation.needed}"`
        expect(answer.headers['www-authenticate'], operation.where).toBe(challenge(parameters))
        const denial = `^Denied with 403: key:[0-9a-f]{8} lacks the scope ${operation.needed}$`
        expect(warnings.at(-1)?.message).toMatch(new RegExp(denial))
        if (isV1(operation.where))
          expect([answer.statusCode, answer.body]).toEqual([403, '{"detail":"Not enough permissions"}'])
        else expectProblem(answer, 403, 'insufficient-scope')
      }
    }
})

test('a key that may only read can change nothing', async () => {
  await client(open).post('/api/v2/housing', { ...house, postal_code: 'V8V 1A1' })
  const tables = ['housing.housing', 'housing.housing_types', 'housing.changes', 'housing.idempotency_keys'] as const
  const stored = () => Promise.all(tables.map((table) => db.selectFrom(table).selectAll().execute()))
  const before = await stored()
  for (const operation of operations) {
    const { statusCode } = await send(operation, callers['housing:read'])
    expect(statusCode, operation.where).toBe(operation.needed === 'housing:read' ? 200 : 403)
  }
  expect(await stored()).toEqual(before)
})

test('a key without the scope has no way around it: HEAD, percent-encoded paths, slashes at the end', async () => {
  const asked = async (method: 'HEAD' | 'GET' | 'DELETE' | 'POST', url: string, headers = {}) =>
    (await app.inject({ method, url, headers })).statusCode
  expect(await asked('HEAD', '/api/v2/housing')).toBe(401)
  for (const url of ['/api/v2/%68ousing', '/%61pi/v2/housing', '/api/v2/housing/', '/api/v1/%68ousing_type/'])
    expect(await asked('GET', url), url).toBe(401)
  expect(await asked('DELETE', '/api/v2/%68ousing-types/SFD', callers['housing:write'])).toBe(403)
  expect(await asked('POST', '/api/v1/%68ousing/', callers['housing:read'])).toBe(403)
})

test('pages, probes, preflights, redirects, and paths or methods that do not exist need no credentials', async () => {
  const asked = async (method: 'GET' | 'OPTIONS' | 'PUT', url: string) => (await app.inject({ method, url })).statusCode
  for (const url of [
    '/',
    '/livez',
    '/docs',
    '/openapi.json',
    '/problems',
    '/problems/not-found',
    '/favicon.svg',
    '/pages.css',
    '/.well-known/oauth-protected-resource',
  ])
    expect(await asked('GET', url), url).toBe(200)
  expect(await asked('GET', '/redoc')).toBe(302)
  expect(await asked('GET', '/api/v1/housing_type')).toBe(307)
  expect(await asked('GET', '/nothing')).toBe(404)
  expect(await asked('PUT', '/api/v2/housing')).toBe(405)
  expect(await asked('OPTIONS', '/api/v2/housing')).toBe(204)
})

test.each(['two headers', 'a key that is longer than 8 KiB', 'a token that is longer than 8 KiB'])(
  '%s: 400',
  async (name) => {
    const { authorization } = callers['housing:read']
    const port = await listening
    const headers = {
      'two headers': `Authorization: ${authorization}\r\nauthorization: ${authorization}`,
      'a key that is longer than 8 KiB': `Authorization: Bearer hr_${'x'.repeat(8190)}`,
      'a token that is longer than 8 KiB': `Authorization: Bearer ${issuer.sign({ filling: 'a'.repeat(6000) })}`,
    }[name]
    const answer = await exchange(
      port,
      `GET /api/v2/housing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n\r\n`,
    )
    expect(answer).toMatch(/^HTTP\/1.1 400 .*"code":"malformed-request"/s)
  },
)

test('a key counts in the header only, and is in no line of the log', async () => {
  const key = await keyOf(scopes)
  const token = issuer.sign()
  for (const url of [
    `/api/v2/housing?api_key=${key}`,
    `/api/v2/housing?access_token=${token}`,
    `/api/v2/housing?x=${key}`,
    `/api/v2/housing?x=${key.replaceAll('_', '%5F')}`,
    `/api/v2/housing?q=${token}`,
    `/api/v1/housing/${key}`,
  ])
    expect((await app.inject({ url, headers: { 'x-api-key': key, cookie: `key=${key}` } })).statusCode, url).toBe(401)
  expect(lines).toHaveLength(6)
  expect(lines.join('')).not.toMatch(new RegExp(`${key.slice(3, 20)}|${token.slice(0, 20)}`))
})

test('a request that is denied is answered before its body is sent', async () => {
  const port = await listening
  for (const { authorization } of [callers['housing:read'], bearer('x')]) {
    const socket = connect(port, '127.0.0.1')
    socket.write(
      `POST /api/v2/housing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\nAuthorization: ${authorization}\r\n\r\n`,
    )
    const [first] = await once(socket.setEncoding('latin1'), 'data')
    expect(first).toMatch(/^HTTP\/1.1 40[13] /)
    socket.destroy()
  }
})

const listening = listen(app)

test('the line of a request has its caller', async () => {
  for (const headers of [callers['housing:read'], bearer(issuer.sign({ sub: 'a "b' }))])
    await app.inject({ url: '/api/v2/housing', headers })
  await app.inject({ url: '/livez', headers: callers['housing:read'] })
  const named = lines.map((line) => JSON.parse(line).caller)
  expect(named).toEqual([expect.stringMatching(/^key:[0-9a-f]{8}$/), 'sub:a "b', undefined])
})

test('what callers without credentials may do can be set', async () => {
  const app = await apiOver(database, { access: { ...settings, anonymous: ['housing:read'] }, log })
  for (const operation of operations) {
    const answer = await send(operation, {}, app)
    if (operation.needed === 'housing:read') expect([200, 404], operation.where).toContain(answer.statusCode)
    else expect(answer.statusCode, operation.where).toBe(401)
    expect((await send(operation, bearer('x'), app)).statusCode, 'wrong credentials are not none').toBe(401)
  }
  const { paths } = app.swagger() as unknown as typeof contract
  expect(paths['/api/v2/housing']?.get?.security).toEqual([{}, { bearer: ['housing:read'] }])
  expect(paths['/api/v2/housing']?.post?.security).toEqual([{ bearer: ['housing:write'] }])
  await app.close()
})

test('with AUTH=open credentials are ignored', async () => {
  for (const operation of operations)
    expect([401, 403], operation.where).not.toContain((await send(operation, bearer('x'), open)).statusCode)
})

test('a route that declares neither a scope nor that it is public fails the start', async () => {
  const start = async (config: FastifyContextConfig) => {
    const app = createApp(optionsFor(database))
    await controlAccess(app, { settings: { ...settings, auth: 'open' }, database, log })
    app.get('/owners', { config }, async () => 'all')
    await app.ready()
  }
  await expect(start({})).rejects.toThrow('GET /owners, HEAD /owners: a route must declare the scope that it needs')
  await start({ scope: 'housing:read' })
  await start({ public: true })
})

describe('limits', () => {
  const limited = (more: Partial<AccessSettings> = {}) =>
    apiOver(database, { access: { ...settings, rateLimit: 1, ...more }, log, trustProxy: ['127.0.0.1'] })
  const url = '/api/v2/housing'

  /** The answers to so many requests at once. */
  async function ask(app: FastifyInstance, count: number, method: 'GET' | 'POST', headers: Record<string, string>) {
    const body = method === 'POST' ? house : undefined
    const answers = await Promise.all(Array.from({ length: count }, () => client(app).send(method, url, body, headers)))
    const having = (status: number) => answers.filter(({ statusCode }) => statusCode === status)
    return { done: [...having(200), ...having(201)], unknown: having(401), refused: having(429) }
  }

  test('of reads and writes are for each caller, and in the headers', async () => {
    const app = await limited()
    const { 'housing:read': one, 'housing:write': other } = callers
    const [first] = (await ask(app, 1, 'GET', one)).done
    expect(first?.headers).toMatchObject({ 'ratelimit-policy': '"reads";q=50;w=1', ratelimit: '"reads";r=49;t=1' })
    const { done, refused } = await ask(app, 500, 'GET', one)
    expect(done.length).toBeGreaterThanOrEqual(49)
    const last = refused.at(-1) as Answer
    expectProblem(last, 429, 'too-many-requests')
    expect(last.headers).toMatchObject({ 'retry-after': '1', ratelimit: '"reads";r=0;t=1' })
    expect((await ask(app, 1, 'GET', other)).done).toHaveLength(1)
    const writes = await ask(app, 200, 'POST', other)
    expect(writes.done.length).toBeGreaterThanOrEqual(10)
    expect(writes.refused.length).toBeGreaterThan(0)
    await app.close()
  })

  test('can be multiplied', async () => {
    const app = await limited({ rateLimit: 100 })
    expect((await ask(app, 500, 'GET', callers['housing:read'])).refused).toEqual([])
    await app.close()
  })

  test('of a batch count a hundredth of its operations', async () => {
    const app = await limited({ rateLimit: 0.1 })
    const operations = Array(1000).fill({ op: 'delete', id: 1, version: 1 })
    expectProblem(await client(app).post(`${url}/batch`, { operations }, callers['housing:write']), 404, 'not-found')
    const { refused } = await ask(app, 1, 'POST', callers['housing:write'])
    expect(Number(refused[0]?.headers['retry-after']), 'it took the writes of ten seconds').toBeGreaterThan(1)
    await app.close()
  })

  test('of callers without credentials are for each address', async () => {
    const app = await limited({ anonymous: ['housing:read'] })
    const from = (address: string, count: number) => ask(app, count, 'GET', { 'x-forwarded-for': address })
    expect((await from('2001:db8::1', 500)).refused.length).toBeGreaterThan(0)
    for (const other of ['2001:db8:0:1::1', '203.0.113.9']) expect((await from(other, 1)).done, other).toHaveLength(1)
    await app.close()
  })

  test('of credentials that are not valid are for each address, and never stop a valid key', async () => {
    const app = await limited()
    const wrong = bearer(makeApiKey().key)
    const { unknown, refused } = await ask(app, 100, 'GET', wrong)
    expect(unknown.length).toBeGreaterThanOrEqual(10)
    expectProblem(refused[0] as Answer, 429, 'too-many-requests')
    expect((await ask(app, 1, 'GET', callers['housing:read'])).done).toHaveLength(1)
    expect((await ask(app, 1, 'GET', { ...wrong, 'x-forwarded-for': '203.0.113.9' })).unknown).toHaveLength(1)
    await app.close()
  })
})

type Answer = Awaited<ReturnType<ReturnType<typeof client>['send']>>
