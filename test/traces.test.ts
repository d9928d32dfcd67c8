import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { beginRequest, beginStatement, isTracing } from '../src/tracing.ts'
import { library } from './support/http.ts'
import { embedded, onServer, temporaryFolder } from './support/places.ts'
import { serve } from './support/program.ts'

interface Span {
  name: string
  /** 1: it serves a request, 2: it asks the database. */
  kind: number
  attributes: Record<string, unknown>
  parent: string | undefined
  status: { code: number }
  traceId: string
  spanId: string
}

/** The program with an OpenTelemetry SDK, and the spans that it has ended. */
async function tracedProgram(env: Record<string, string>) {
  const file = join(await temporaryFolder(), 'spans')
  const program = await serve({
    program: [process.execPath, '--import', './test/support/opentelemetry.mjs', 'dist/main.js'],
    env: { ...env, SPANS: file },
  })
  const spans = (): Span[] =>
    readFileSync(file, { encoding: 'utf8', flag: 'a+' })
      .split('\n')
      .slice(0, -1) // the last line may be half written
      .map((line) => JSON.parse(line))
  /** Sends a request within a new trace; returns the span of the request, and those of its statements. */
  const ask = async (method: string, path: string, body?: unknown, headers = {}) => {
    const [traceId, caller] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')]
    const answer = await fetch(program.url + path, {
      method,
      headers: {
        traceparent: `00-${traceId}-${caller}-01`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    await answer.text()
    const within = () => spans().filter((span) => span.traceId === traceId)
    await expect.poll(() => within().filter(({ kind }) => kind === 1)).toHaveLength(1)
    const [request] = within().filter(({ kind }) => kind === 1) as [Span]
    const statements = within().filter(({ kind }) => kind === 2)
    expect(request.parent).toBe(caller)
    for (const { parent } of statements) expect(parent).toBe(request.spanId)
    return { request, statements: statements.map(({ name }) => name) }
  }
  return { program, spans, ask }
}

test.each([
  ['a server', onServer],
  ['the embedded database', embedded],
])('on %s, a request and each of its statements have spans in the trace of the caller', async (_place, place) => {
  const { ask, spans } = await tracedProgram((await place()).env)
  const created = await ask('POST', '/api/v2/housing', library)
  expect(created).toMatchObject({
    request: {
      name: 'POST /api/v2/housing',
      attributes: { 'http.request.method': 'POST', 'http.response.status_code': 201, 'url.path': '/api/v2/housing' },
    },
    statements: ['INSERT housing.housing'],
  })
  expect(await ask('GET', '/api/v2/housing/1?fields=id')).toMatchObject({ statements: [] }) // a 400
  expect(await ask('GET', '/api/v2/housing/1')).toMatchObject({
    request: { name: 'GET /api/v2/housing/:id' },
    statements: ['SELECT housing.housing'],
  })
  const keyed = await ask('POST', '/api/v2/housing', library, { 'idempotency-key': 'mine' })
  expect(keyed.statements).toEqual(expect.arrayContaining(['BEGIN', 'INSERT housing.housing', 'COMMIT']))
  expect((await ask('GET', '/api/v2/housing/export')).statements.length).toBeGreaterThan(0)
  expect(JSON.stringify(spans())).not.toMatch(/Broughton|V8W 3H2|mine/)
})

test('requests at the same time have a span each, and no statement is without one', async () => {
  const { ask, spans } = await tracedProgram((await onServer()).env)
  const asked = await Promise.all(Array.from({ length: 40 }, (_, i) => ask('GET', `/api/v2/housing/${i + 1}`)))
  expect(asked.every(({ request }) => request.name === 'GET /api/v2/housing/:id')).toBe(true)
  const lookups = spans().filter(({ kind, name }) => kind === 2 && name === 'SELECT housing.housing')
  expect(lookups.length).toBeGreaterThan(0)
  for (const { parent } of lookups) expect(asked.some(({ request }) => request.spanId === parent)).toBe(true)
})

test('what is read for everybody who follows the changes belongs to no trace', async () => {
  const { program, ask, spans } = await tracedProgram((await onServer()).env)
  const traceId = randomBytes(16).toString('hex')
  const stream = new AbortController()
  onTestFinished(() => stream.abort())
  const answer = await fetch(`${program.url}/api/v2/housing/changes`, {
    headers: { accept: 'text/event-stream', traceparent: `00-${traceId}-${'1'.repeat(16)}-01` },
    signal: stream.signal,
  })
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader()
  let received = ''
  const statements = () => spans().filter((span) => span.traceId === traceId && span.kind === 2).length
  let before = 0
  for (let houses = 1; houses <= 11; houses++) {
    await ask('POST', '/api/v2/housing', library)
    while (received.split('event: change').length <= houses) received += (await reader?.read())?.value
    if (houses === 1) before = statements()
  }
  expect(statements() - before).toBeLessThan(10) // each change takes the reader two or more
})

test('a request that fails has a span that says so', async () => {
  const { env, query } = await onServer()
  const { ask } = await tracedProgram(env)
  await query('alter table housing.housing rename to gone')
  const { request } = await ask('GET', '/api/v2/housing/1')
  expect([request.attributes['http.response.status_code'], request.status.code]).toEqual([503, 2])
})

test('without an SDK there are no spans', () => {
  expect([isTracing(), beginRequest({}, {}), beginStatement('select 1')]).toEqual([false, undefined, undefined])
})
