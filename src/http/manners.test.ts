import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { apiOver, noDatabase, startApi } from '../../test/support/api.ts'
import { client, expectProblem, listen } from '../../test/support/http.ts'
import { kinds } from '../contract/problem-kinds.ts'
import { housingKinds } from '../housing/problems.ts'
import { housingTypeKinds } from '../housing-types/problems.ts'
import { createLog } from '../log.ts'

const lines: string[] = []
const origin = 'http://localhost:5173'
const log = Object.assign(createLog('silent'), { line: (line: string) => lines.push(line) })
const { app, db } = await startApi({ log, origins: [origin] })
const api = client(app)
const base = `http://127.0.0.1:${await listen(app)}`

const housing = '/api/v2/housing'
const types = '/api/v2/housing-types'
const house = { address: '1', street: 'Main', city: 'Victoria', postal_code: 'V8V 1A1', housing_type: 'SFD' }

describe('headers', () => {
  /** One request for each kind of answer, and its status. */
  const requests: [
    status: number,
    method: Parameters<typeof api.send>[0],
    url: string,
    headers?: Record<string, string>,
    body?: string,
  ][] = [
    [200, 'GET', '/'],
    [200, 'GET', '/livez'],
    [200, 'GET', '/readyz'],
    [200, 'GET', '/openapi.json'],
    [200, 'GET', '/problems/not-found'],
    [200, 'GET', '/api/v1/housing_type/'],
    [200, 'GET', housing],
    [200, 'GET', types],
    [304, 'GET', types, { 'if-none-match': '*' }],
    [201, 'POST', housing, {}, JSON.stringify(house)],
    [204, 'DELETE', `${housing}/1`, { 'if-match': '*' }],
    [204, 'OPTIONS', housing],
    [204, 'OPTIONS', housing, { origin, 'access-control-request-method': 'POST' }],
    [302, 'GET', '/redoc'],
    [307, 'GET', '/api/v1/housing'],
    [400, 'GET', `${housing}?x=1`],
    [400, 'GET', `${housing}/%zz`],
    [400, 'GET', '/%zz'],
    [400, 'GET', `${housing}?city=%FF`],
    [400, 'GET', '/api/v%32/housing?limit=0'],
    [404, 'GET', '/api/v%32/housing/0'],
    [404, 'GET', '/problem%73/nope'],
    [400, 'POST', housing, {}, '{'],
    [404, 'GET', '/nope'],
    [404, 'GET', '/api/v2/nope'],
    [404, 'GET', `${housing}/77`],
    [405, 'PUT', housing],
    [405, 'PUT', '/livez'],
    [406, 'GET', housing, { accept: 'text/html' }],
    [412, 'PUT', `${types}/SFD`, { 'if-match': '"x"' }, '{"description":"x"}'],
    [413, 'POST', housing, {}, ' '.repeat(65537)],
    [414, 'GET', '/long'],
    [415, 'POST', housing],
    [422, 'POST', housing, {}, '{}'],
    [422, 'POST', '/api/v1/housing/', {}, '{}'],
    [428, 'DELETE', `${housing}/1`],
  ]

  test.each(requests)(
    'the answer %i to %s %s has the headers that every answer has',
    async (status, method, url, headers, body) => {
      if (status === 204) await api.post(housing, house)
      const answer = await api.send(method, url === '/long' ? `/${'x'.repeat(8192)}` : url, body, headers)
      expect(answer.statusCode).toBe(status)
      expect(answer.headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        'cross-origin-resource-policy': 'same-origin',
        'x-request-id': expect.stringMatching(/^[\w-]{1,64}$/),
      })
      expect(answer.headers).not.toHaveProperty('set-cookie')
      const data = url.startsWith('/problems') ? 'public, max-age=3600' : 'private, no-cache'
      const cached = status >= 400 || /^\/(live|ready)z/.test(url) ? 'no-store' : data
      expect(answer.headers['cache-control']).toBe(cached)
      if (status < 400) return
      const inVersion2 = /^\/(api\/v(2|%32)|problem(s|%73))/.test(url)
      expect(answer.headers['content-type']).toBe(inVersion2 ? 'application/problem+json' : 'application/json')
      if (inVersion2)
        expect(answer.json()).toMatchObject({
          status,
          instance: url.split('?')[0],
          request_id: answer.headers['x-request-id'],
        })
      else expect(Object.keys(answer.json())).toEqual(['detail'])
    },
  )

  test('the documentation pages may load what they need, and only from this server', async () => {
    for (const path of ['/docs', '/docs/', '/docs/static/swagger-ui.css']) {
      const { headers, statusCode } = await api.get(path)
      expect(statusCode).toBe(200)
      expect(headers['content-security-policy']).toBe(
        "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; " +
          "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
      )
      expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'x-request-id': expect.anything() })
    }
    const missing = await api.get('/docs/static/nope')
    expect([missing.statusCode, missing.body]).toEqual([404, '{"detail":"Not Found"}'])
  })

  test('a plain X-Request-Id is accepted, any other is replaced by a new one', async () => {
    const idOf = async (id: string, url = '/nope') =>
      (await api.get(url, { 'x-request-id': id })).headers['x-request-id']
    for (const id of ['a', 'A-z_09', 'x'.repeat(64)])
      for (const url of ['/', '/nope', '/%zz', housing]) expect(await idOf(id, url)).toBe(id)
    const hostile = ['', ' ', 'a b', 'x'.repeat(65), '"', 'a"b', '{}', 'é', 'a,b', '\t', '<script>', '%0a', 'a:b']
    const made = await Promise.all(hostile.map((id) => idOf(id)))
    for (const id of made) expect(id).toMatch(/^[\w-]{10,64}$/)
    expect(new Set(made).size).toBe(hostile.length)
  })
})

describe('browsers', () => {
  test('pages of an allowed origin may read any answer, even one that no route gives', async () => {
    for (const url of [housing, '/nope', '/api/v2/%', '/%', `/${'x'.repeat(8192)}`]) {
      const { headers } = await api.get(url, { origin })
      expect(headers, url).toMatchObject({
        'access-control-allow-origin': origin,
        vary: expect.stringMatching(/^Origin/),
      })
      expect((await api.get(url, { origin: 'http://other' })).headers).not.toHaveProperty('access-control-allow-origin')
    }
    expectProblem(await api.get(`/api/v2/%${'x'.repeat(8192)}`), 414, 'url-too-long')
  })

  test('pages of an allowed origin may read the headers that they need', async () => {
    const { headers } = await api.get(housing, { origin })
    expect(String(headers['access-control-expose-headers']).split(', ').sort()).toEqual([
      ...['Accept-Patch', 'Accept-Post', 'Allow', 'Content-Disposition', 'ETag', 'Feed-Position'],
      ...['Idempotency-Replayed', 'Import-Report', 'Link', 'Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After'],
      ...['WWW-Authenticate', 'X-Request-Id'],
    ])
  })

  /** An API without data, for tests that only depend on settings. */
  const withSettings = (settings: { origins?: '*' }) => apiOver(noDatabase, settings)

  test('if every origin is allowed, none may send credentials', async () => {
    const app = await withSettings({ origins: '*' })
    for (const method of ['GET', 'OPTIONS'] as const) {
      const headers = { origin: 'https://any.example', 'access-control-request-method': 'GET' }
      const answer = await app.inject({ method, url: '/', headers })
      expect(answer.headers['access-control-allow-origin']).toBe('*')
      expect(answer.headers).not.toHaveProperty('access-control-allow-credentials')
    }
  })
})

describe('methods and paths', () => {
  test('HEAD is answered wherever GET is, with the same headers and no body', async () => {
    await api.post(housing, house)
    await sql`insert into housing.housing (address, street, city, postal_code, housing_type_id)
    select i, 's', 'c', 'V8V 1A1', 1 from generate_series(1, 100) i`.execute(db)
    for (const path of [
      ...['/', '/livez', '/readyz', '/healthz', '/openapi.json', '/docs', '/redoc', '/problems/not-found'],
      ...[
        '/docs/static/swagger-ui.css',
        '/api/v1/housing_type/',
        '/api/v1/housing_type/SFD',
        '/api/v1/housing/V8V%201A1',
      ],
      ...[
        housing,
        `${housing}/`,
        `${housing}/1`,
        `${housing}/99`,
        `${housing}?x`,
        types,
        `${types}/SFD`,
        '/nope',
        '/%zz',
      ],
    ]) {
      const [get, head] = await Promise.all(
        ['GET', 'HEAD'].map((method) => fetch(base + path, { method, redirect: 'manual', headers: { accept: '*/*' } })),
      )
      const headersOf = (answer?: Response) => {
        const {
          date,
          connection,
          'keep-alive': _,
          'x-request-id': id,
          ...rest
        } = Object.fromEntries(answer?.headers ?? [])
        return rest
      }
      expect(head?.status, path).toBe(get?.status)
      const { 'content-length': length, ...others } = headersOf(get)
      expect(headersOf(head), path).toMatchObject(others)
      if (!get?.headers.get('content-encoding')) expect(headersOf(head)['content-length'], path).toBe(length)
      expect(await head?.text(), path).toBe('')
    }
  })

  test('OPTIONS and the 405 of any other method name the methods that a path accepts', async () => {
    for (const [url, allow] of [
      [housing, 'GET, HEAD, POST'],
      [`${housing}/`, 'GET, HEAD, POST'],
      [`${housing}/1`, 'GET, HEAD, PUT, PATCH, DELETE'],
      [`${housing}/batch`, 'POST'],
      [types, 'GET, HEAD'],
      [`${types}/SFD`, 'GET, HEAD, PUT, DELETE'],
      ['/problems/not-found', 'GET, HEAD'],
      ['/livez', 'GET, HEAD'],
      ['/openapi.json', 'GET, HEAD'],
      ['/api/v1/housing/', 'POST'],
    ] as const) {
      const options = await api.send('OPTIONS', url)
      expect([options.statusCode, options.headers.allow, options.body], url).toEqual([204, allow, ''])
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'POST', 'TRACE', 'PROPFIND'] as const) {
        if (allow.includes(method)) continue
        const answer = await api.send(method as 'POST', url, '{')
        expect([answer.statusCode, answer.headers.allow], `${method} ${url}`).toEqual([405, allow])
      }
    }
    expect((await api.send('OPTIONS', '/api/v2/nope')).statusCode).toBe(404)
  })

  test('in version 2 one slash at the end of a path does not matter', async () => {
    await api.post(`${housing}/`, house)
    for (const path of [housing, `${housing}/1`, types, `${types}/SFD`]) {
      expect((await api.get(`${path}/?`)).body).toBe((await api.get(path)).body)
      expectProblem(await api.get(`${path}//`), 404, 'not-found')
    }
    expect((await api.delete(`${housing}/1/`, { 'if-match': '"1-1"' })).statusCode).toBe(204)
  })
})

test('while draining, every answer closes its connection', async () => {
  const readiness = { schema: { expected: '', found: '', ready: true }, draining: true }
  const app = await apiOver(noDatabase, { readiness })
  for (const url of ['/', '/nope', '/%zz', `${housing}?x`, `/api/v2/%${'x'.repeat(8192)}`])
    expect((await app.inject({ url })).headers.connection, url).toBe('close')
})

describe('representations', () => {
  test('version 2 answers JSON, and only to clients that accept it', async () => {
    const takes = (accept: string) => api.get(housing, { accept })
    for (const accept of [
      ...[
        '*/*',
        'application/*',
        'application/json',
        'APPLICATION/JSON',
        'text/html, */*;q=0.1',
        'application/problem+json',
      ],
      ...[
        'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
        'application/json;charset=utf-8',
        'a/b ,application/json ; q=0.5',
        '',
      ],
    ])
      expect((await takes(accept)).statusCode, accept).toBe(200)
    for (const accept of [
      'text/html',
      'application/xml',
      'application/jsonp',
      'text/*',
      'x',
      'application/json-seq',
      'xapplication/json',
      'application/json;q=0',
      '*/*;q=0.000, text/html',
    ])
      expectProblem(await takes(accept), 406, 'not-acceptable')
  })

  test('an answer over 1 KiB without an ETag is compressed as the client asks', async () => {
    await sql`insert into housing.housing (address, street, city, postal_code, housing_type_id)
    select i, 'é', 'c', 'V8V 1A1', 1 from generate_series(1, 50) i`.execute(db)
    const plain = await api.get(housing)
    expect(plain.headers.vary).toBe('Origin, Accept-Encoding')
    for (const [accepted, encoding] of [
      ['gzip', 'gzip'],
      ['br', 'br'],
      ['gzip, deflate, br', 'br'],
      ['gzip;q=1.0, br;q=0.5', 'gzip'],
      ['br;q=0, gzip', 'gzip'],
      ['*', 'br'],
      ['deflate', undefined],
      ['identity', undefined],
      ['gzip;q=0', undefined],
      ['gzip;q=0, br;q=0', undefined],
      ['gzip;q=0.0, *;q=0', undefined],
      ['', undefined],
      [';,q=', undefined],
      ['x'.repeat(1000), undefined],
    ] as const) {
      const { headers, rawPayload } = await api.get(housing, { 'accept-encoding': accepted })
      expect(headers['content-encoding'], accepted).toBe(encoding)
      expect(headers.vary).toBe('Origin, Accept-Encoding')
      expect(Number(headers['content-length'])).toBe(rawPayload.length)
      const decoded = { gzip: gunzipSync, br: brotliDecompressSync }[encoding as 'gzip']?.(rawPayload) ?? rawPayload
      expect(decoded.toString()).toBe(plain.body)
    }
    const contract = await api.get('/openapi.json', { 'accept-encoding': 'gzip' })
    expect(contract.headers).toMatchObject({ 'content-encoding': 'gzip', 'content-type': 'application/json' })
    const small = await api.get(`${housing}?limit=1`, { 'accept-encoding': 'gzip' })
    expect([small.headers['content-encoding'], small.headers.vary]).toEqual([undefined, 'Origin'])
  })

  test('an answer with an ETag is never compressed, because the tag stands for these very bytes', async () => {
    await sql`insert into housing.housing_types (id, code, description)
    select i, 'T' || i, repeat('x', 50) from generate_series(10, 60) i`.execute(db)
    const { headers, body } = await api.get(types, { 'accept-encoding': 'gzip, br' })
    expect(body.length).toBeGreaterThan(2000)
    expect(headers['content-encoding']).toBeUndefined()
    expect(headers.etag).toMatch(/^"/)
  })
})

describe('the pages of problems', () => {
  test.each(Object.entries({ ...kinds, ...housingKinds, ...housingTypeKinds }))(
    '/problems/%s explains the problem in HTML and in Markdown',
    async (code, { status, title, explanation }) => {
      const page = await api.get(`/problems/${code}`, { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
      expect(page.statusCode).toBe(200)
      expect(page.headers).toMatchObject({ 'content-type': 'text/html; charset=utf-8', vary: 'Origin, Accept' })
      expect(page.body).toContain(`<h1>${title}</h1><p><code>${code}</code>, status ${status}</p>`)
      expect(page.body.replace(/<[^>]*>/g, '')).toContain(explanation.replaceAll('`', ''))
      for (const accept of ['*/*', 'application/json', 'text/markdown']) {
        const markdown = await api.get(`/problems/${code}`, { accept })
        expect(markdown.headers['content-type']).toBe('text/markdown; charset=utf-8')
        expect(markdown.body).toBe(`# ${title}\n\n\`${code}\`, status ${status}\n\n${explanation}\n`)
      }
    },
  )

  test('/problems lists them all, in HTML and in Markdown, and links to each', async () => {
    for (const path of ['/problems', '/problems/']) {
      const page = await api.get(path, { accept: 'text/html' })
      expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
      const codes = [...page.body.matchAll(/<td><a href="([^"]*)"/g)].map(([, to = '']) => {
        const { pathname } = new URL(to, `http://localhost${path}`)
        return pathname.replace(/^\/problems\//, '')
      })
      expect(codes.sort()).toEqual([...app.declared.kinds.keys()].sort())
      const markdown = await api.get(path)
      expect(markdown.headers['content-type']).toBe('text/markdown; charset=utf-8')
      expect(markdown.body).toContain('- 412 `precondition-failed`: The precondition does not hold\n')
    }
  })

  test('a page loads nothing but its style and its icon', async () => {
    for (const path of ['/problems', '/problems/not-found'])
      expect((await api.get(path, { accept: 'text/html' })).headers['content-security-policy']).toBe(
        "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
      )
    expect((await api.get('/problems/nope', { accept: 'text/html' })).headers['content-security-policy']).toContain(
      "default-src 'none'; frame-ancestors 'none'",
    )
  })

  test('an unknown problem is a 404', async () => {
    for (const code of ['nope', 'constructor', '__proto__', 'toString', '%00', '%3Cscript%3E', 'x'.repeat(5000)])
      expectProblem(await api.get(`/problems/${code}`, { accept: 'text/html' }), 404, 'not-found')
  })
})

describe('URLs', () => {
  test.each(['%', '%zz', '%f', '%FF', '%C3', '%ED%A0%80', '%u0041'])(
    'the malformed escape %s is a 400 in a path, and in a query of version 2',
    async (malformed) => {
      expectProblem(await api.get(`${housing}?city=${malformed}`), 400, 'malformed-request')
      for (const path of [`${housing}/`, `${types}/`, '/problems/', '/api/v2/'])
        expectProblem(await api.get(path + malformed), 400, 'malformed-request')
      for (const path of ['/', '/api/v1/housing/', '/api/v1/housing_type/', '/docs/']) {
        const answer = await api.get(path + malformed)
        expect(answer.statusCode).toBe(400)
        expect(answer.json()).toEqual({ detail: expect.stringMatching(/\w\.$/) })
      }
    },
  )

  test('path and query together may have 8,192 bytes', async () => {
    const url = (path: string, length: number) => `${path}?${'x'.repeat(length - path.length - 1)}`
    expect((await api.get(url('/', 8192))).statusCode).toBe(200)
    expect((await api.get(url('/', 8193))).json()).toEqual({ detail: expect.stringContaining('8192') })
    expectProblem(await api.get(url(housing, 8193), { origin }), 414, 'url-too-long')
    expect((await api.get(url('/', 8193), { origin })).headers['access-control-allow-origin']).toBe(origin)
  })
})

describe('the log', () => {
  test('each request logs one line of JSON', async () => {
    const trace = '0af7651916cd43dd8448eb211c80319c'
    const cases = [
      ['GET', '/', 200, '/'],
      ['HEAD', '/', 200, '/'],
      ['GET', '/api/v1/housing_type/SFD?x=%22%0A\\', 200, '/api/v1/housing_type/:code'],
      ['GET', `${types}/SFD/`, 200, `${types}/:code`],
      ['GET', '/nope?a="b"', 404, ''],
      ['GET', '/%zz', 400, ''],
      ['PUT', '/livez', 405, ''],
      ['OPTIONS', housing, 204, ''],
      ['DELETE', `${housing}/1`, 428, `${housing}/:id`],
      ['GET', '/docs/static/swagger-ui.css', 200, '/docs/static/*'],
    ] as const
    for (const [method, url, status, route] of cases) {
      lines.length = 0
      const answer = await fetch(base + url, {
        method,
        headers: { 'x-request-id': 'its-id', traceparent: `00-${trace}-b7ad6b7169203331-01` },
      })
      const { byteLength: bytes } = await answer.arrayBuffer()
      await expect.poll(() => lines).toHaveLength(1)
      expect(lines[0]).toMatch(/^\{.*\}\n$/)
      expect(Object.keys(JSON.parse(lines[0] as string)).join()).toBe(
        'level,time,request_id,trace_id,client,method,route,url,status,ms,bytes,msg',
      )
      const path = new URL(url, base)
      expect(JSON.parse(lines[0] as string)).toEqual({
        level: 'info',
        time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
        request_id: 'its-id',
        trace_id: trace,
        client: '127.0.0.1',
        method,
        route,
        url: path.pathname + path.search,
        status,
        ms: expect.any(Number),
        bytes,
        msg: expect.stringMatching(`^${method} ${route && `${route} `}`.replace('*', '\\*')),
      })
    }
  })

  const lineOf = async (url: string, headers?: Record<string, string>) => {
    lines.length = 0
    await api.get(url, headers)
    return JSON.parse(lines.join())
  }

  test('a request that is rejected before its handler has its route in the log', async () => {
    for (const [url, headers] of [
      [housing, { accept: 'text/html' }],
      [`${housing}?city=%FF`, {}],
      [`${housing}?unknown=1`, {}],
      [`${housing}?${'x'.repeat(8192)}`, {}],
    ] as const)
      expect(await lineOf(url, headers), url).toMatchObject({ route: housing })
    expect(await lineOf(`${housing}/7`, { 'if-none-match': 'x' })).toMatchObject({
      route: `${housing}/:id`,
      status: 400,
    })
  })

  test('the URL is in the line once, at most 1 KiB of it, and without secrets', async () => {
    const { url, msg } = await lineOf(`/nope?${'x'.repeat(5000)}`)
    expect([url, msg]).toEqual([`/nope?${'x'.repeat(1018)}…`, expect.stringMatching(/^GET 404 in /)])
    for (const name of [
      ...['token', 'access_token', 'key', 'api_key', 'apikey', 'api-key', 'password', 'secret', 'authorization'],
      ...['TOKEN', 'client_secret', 'X-Amz-Signature', 'tok%65n', '%6Bey', 'session_id', 'id_token'],
    ]) {
      const line = await lineOf(`/nope?a=1&${name}=hunter2&b=%20`)
      expect(line.url).toBe(`/nope?a=1&${name}=***&b=%20`)
      expect(JSON.stringify(line)).not.toContain('hunter2')
    }
    const plain = `${housing}?city=Key%20West&q=token&monkey=1&keyword=a`
    expect((await lineOf(plain)).url).toBe(plain)
  })

  test('the line names the client: the address that a trusted proxy names, whatever that is', async () => {
    const app = await apiOver(noDatabase, { log, trustProxy: ['127.0.0.0/8'] })
    for (const client of ['203.0.113.9', '2001:db8::1', 'a" b\\', 'x'.repeat(64)]) {
      lines.length = 0
      await app.inject({ url: '/', headers: { 'x-forwarded-for': client } })
      expect(JSON.parse(lines.join())).toMatchObject({ client, status: 200 })
    }
    expect(await lineOf('/', { 'x-forwarded-for': '203.0.113.9' })).toMatchObject({ client: '127.0.0.1' })
  })

  test('the log line of a compressed answer counts the bytes that were sent', async () => {
    lines.length = 0
    const { rawPayload } = await api.get('/openapi.json', { 'accept-encoding': 'gzip' })
    expect(JSON.parse(lines.join()).bytes).toBe(rawPayload.length)
  })

  test('nothing that a client sends can forge a log line, or a field of one', async () => {
    for (const headers of [
      { 'x-request-id': 'a","status":"200' },
      { traceparent: '00-0af7651916cd43dd8448eb211c80319c","x":"-b7ad6b7169203331-01' },
      { traceparent: 'junk' },
    ]) {
      lines.length = 0
      await api.get('/nope?"},{"a":"\u2028\\', headers)
      const line = JSON.parse(lines.join())
      expect(Object.keys(line).join()).toBe('level,time,request_id,client,method,route,url,status,ms,bytes,msg')
      expect(line).toMatchObject({ status: 404, request_id: expect.stringMatching(/^[\w-]+$/) })
    }
  })
})
