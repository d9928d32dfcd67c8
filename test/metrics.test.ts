import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { library, remote } from './support/http.ts'
import { onServer, slow } from './support/places.ts'
import { startPostgres } from './support/postgres.ts'
import { run, serve } from './support/program.ts'
import { read, rowsOf } from './support/titles.ts'

/** The program, and what its metrics say. */
async function measured(env: Record<string, string>) {
  const program = await serve({ env: { ...env, METRICS_PORT: '0' } })
  const [, url = ''] = /Metrics: (\S+\/metrics)"/.exec(program.output.stdout) ?? []
  const scrape = async () => (await fetch(url)).text()
  /** The value of a series, whose labels may come in any order. */
  const reading = async (name: string, labels: Record<string, string> = {}) => {
    const lines = (await scrape())
      .split('\n')
      .filter((line) => line.startsWith(name) && /[ {]/.test(line[name.length] ?? ''))
    const series = lines.find((line) =>
      Object.entries(labels).every(([label, value]) => line.includes(`${label}="${value}"`)),
    )
    return series === undefined ? undefined : Number(series.split(' ').at(-1))
  }
  return { program, url, scrape, reading, ...remote(program.url) }
}

test('each metric that an alert or a panel names is there from the first reading after a start on', async () => {
  const { program, scrape, post, send } = await measured((await onServer()).env)
  await post()
  await send('POST', '/api/v2/housing/import', [library])
  await fetch(program.url, { method: 'BREW' }).catch(() => {}) // the parser rejects it
  const said = await scrape()
  const dashboard = JSON.parse(read('ops/dashboard.json')) as { panels: { targets?: { expr: string }[] }[] }
  const expressions = [
    ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
    ...read('ops/alerts.yml').split('\n'),
  ].map((text) => text.replace(/\{[^}]*\}/g, '').replace(/\bby \([^)]*\)/g, ''))
  const names = new Set(expressions.flatMap((text) => text.match(/\b[a-z0-9]+(_[a-z0-9]+){2,}\b(?!\()/g) ?? []))
  expect(names.size).toBeGreaterThan(25)
  for (const name of names) expect(said, name).toMatch(new RegExp(`^${name}[ {]`, 'm'))

  const result = spawnSync('promtool', ['check', 'metrics'], { input: said, encoding: 'utf8' })
  if (!result.error) expect(result.stdout + result.stderr).toBe('')
})

test('each alert has a section in the runbook, and a test that it fires', () => {
  const alerts = [...read('ops/alerts.yml').matchAll(/- alert: (\w+)\n(.*?)(?=\n {6}- alert|$(?!\n))/gs)]
  expect(alerts.length).toBeGreaterThan(10)
  const [runbook, tests] = [read('docs/runbook.md'), read('ops/alerts.test.yml')]
  for (const [, name = '', rule = ''] of alerts) {
    expect(rule).toMatch(new RegExp(`^ +runbook: docs/runbook.md#${name.toLowerCase()}$`, 'm'))
    const [, section = ''] = new RegExp(`^### ${name}\n(.*?)(?=^##|(?![^]))`, 'ms').exec(runbook) ?? []
    for (const part of ['**It means**', '**Look at**', '**Do**']) expect(section, name).toContain(part)
    expect(tests).toContain(`ALERTS{alertname="${name}",alertstate="firing"`)
  }
})

test('each problem has a row in the runbook', async () => {
  const { program } = await measured((await onServer()).env)
  const list = await (await fetch(`${program.url}/problems`)).text()
  const codes = [...list.matchAll(/^- \d+ `(.*?)`/gm)].map(([, code]) => code)
  expect(codes.length).toBeGreaterThan(30)
  const rows = rowsOf(read('docs/runbook.md'), 'Code').flatMap(([cell = '']) => cell.split(', '))
  expect(rows.sort()).toEqual(codes.map((code) => `\`${code}\``).sort())
})

test('what happens is counted: by method, route and status, and by code; nothing of a caller becomes a label', async () => {
  const { program, scrape, reading, send, get } = await measured((await onServer()).env)
  const key = { 'idempotency-key': 'a-key-of-mine' }
  await send('POST', '/api/v2/housing', library, key)
  await send('POST', '/api/v2/housing', library, key)
  for (let id = 1; id <= 3; id++) await get(`/api/v2/housing/${id}?fields=secret-query`)
  await get('/api/v2/housing/1')
  await get('/nothing/at/secret-path')
  await send('M-SEARCH', '/api/v2/housing/1')
  await send('DELETE', '/api/v2/housing/1', undefined, { 'if-match': '"1-77"' })
  await send('POST', '/api/v2/housing/import', [library, { city: 'Nowhere' }])
  await send('POST', '/api/v2/housing/import?on_error=skip', [library, { city: 'Nowhere' }])

  const requests = 'http_server_request_duration_seconds_count'
  const of = (http_request_method: string, http_route: string, http_response_status_code: string) =>
    reading(requests, { http_request_method, http_route, http_response_status_code })
  expect(await of('POST', '/api/v2/housing', '201')).toBe(2)
  expect(await of('GET', '/api/v2/housing/:id', '400')).toBe(3)
  expect(await of('GET', 'unrouted', '404')).toBe(1)
  expect(await of('_OTHER', 'unrouted', '405')).toBe(1)
  expect(await reading('sample_api_idempotent_replays_total')).toBe(1)
  expect(await reading('sample_api_problems_total', { code: 'precondition-failed' })).toBe(1)
  expect(await reading('sample_api_problems_total', { code: 'storage-full' })).toBe(0)
  expect(await reading('sample_api_imports_total', { outcome: 'undone' })).toBe(1)
  expect(await reading('sample_api_imports_total', { outcome: 'applied' })).toBe(1)
  expect(await reading('sample_api_import_rows_total', { result: 'created' })).toBe(1)
  expect(await reading('sample_api_import_rows_total', { result: 'rejected' })).toBe(1)
  expect(await reading('sample_api_gathered_batch_size_count')).toBeGreaterThan(0)
  expect(await reading('db_client_connection_max', { db_client_connection_pool_name: 'requests' })).toBe(10)
  expect(await reading('sample_api_ready')).toBe(1)
  expect(await reading('http_server_active_requests')).toBe(0)

  const stream = new AbortController()
  onTestFinished(() => stream.abort())
  const headers = { accept: 'text/event-stream' }
  const answer = await fetch(`${program.url}/api/v2/housing/changes`, { headers, signal: stream.signal })
  await answer.body?.getReader().read()
  await expect.poll(() => reading('sample_api_feed_listeners')).toBe(1)
  expect(await reading('http_server_active_requests')).toBe(1)
  expect(await reading('sample_api_transfers_active', { kind: 'stream of changes' })).toBe(1)
  stream.abort()
  await expect.poll(() => reading('sample_api_feed_listeners')).toBe(0)
  await expect.poll(() => reading('http_server_active_requests')).toBe(0)

  expect(await scrape()).not.toMatch(/secret|a-key-of-mine|127\.0\.0\.1/)
})

test('requests that wait for the database are active, and wait for a connection; in vain, that is because of the load', async () => {
  const { env, query } = await onServer()
  const { reading, send } = await measured({ ...env, POSTGRES_POOL: '1' })
  await query(slow(3, 'before insert on housing.housing for each row'))
  const pool = { db_client_connection_pool_name: 'requests' }
  const asked = [1, 2, 3].map((n) => send('POST', '/api/v2/housing', library, { 'idempotency-key': `key-${n}` }))
  await expect.poll(() => reading('db_client_connection_pending_requests', pool)).toBe(2)
  expect(await reading('http_server_active_requests')).toBe(3)
  expect(await reading('db_client_connections', { ...pool, db_client_connection_state: 'used' })).toBe(1)
  const answers = await Promise.all(asked)
  const rejected = { detail: 'Too many requests are waiting for the database. Try again soon.' }
  expect(answers.filter(({ status }) => status === 503).map(({ body }) => body)).toMatchObject([rejected, rejected])
  expect(await reading('sample_api_requests_shed_total', { reason: 'database' })).toBe(2)
  expect(await reading('http_server_active_requests')).toBe(0)
  expect(await reading('db_client_connection_pending_requests', pool)).toBe(0)
})

test('a process whose database is down is not ready, and is again when it is back, though nobody asks /readyz', async () => {
  const server = await startPostgres()
  onTestFinished(server.stop)
  const { reading } = await measured({ DATABASE_URL: server.url })
  expect(await reading('sample_api_ready')).toBe(1)
  await server.crash()
  expect(await reading('sample_api_ready')).toBe(0)
  await server.start()
  await expect.poll(() => reading('sample_api_ready')).toBe(1)
})

test('the metrics have a listener of their own, of which the API knows nothing', async () => {
  const { program, url } = await measured((await onServer()).env)
  expect((await fetch(`${program.url}/metrics`)).status).toBe(404)
  const answer = await fetch(url)
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect((await fetch(url, { method: 'POST' })).status).toBe(405)
  expect((await fetch(new URL('/api/v2/housing', url))).status).toBe(404)
})

test('a port of the metrics that is taken stops the start, with the setting to change', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  onTestFinished(() => void other.close())
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo
  const { env } = await onServer()
  expect(await run({ env: { ...env, METRICS_PORT: `${port}` } })).toMatchObject({
    code: 1,
    stderr: `sample-api: Cannot listen: port ${port} of 127.0.0.1 is in use. Stop the process that uses it, or set METRICS_PORT to another port.\n`,
  })
})
