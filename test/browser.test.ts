import { once } from 'node:events'
import { createServer } from 'node:http'
import { build } from 'esbuild'
import pg from 'pg'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { makeApiKey } from '../src/access/api-key.ts'
import { insertKey } from '../src/access/queries.ts'
import { createLog } from '../src/log.ts'
import { apiOver, startApi } from './support/api.ts'
import { openPage, skipWithoutChromium } from './support/chromium.ts'
import { library, remote } from './support/http.ts'
import { freePort, startPostgres } from './support/postgres.ts'
import { serve } from './support/program.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

beforeEach(skipWithoutChromium)

const warnings: string[] = []
const log = Object.assign(createLog('silent'), { warn: (line: string) => warnings.push(line) })
const { app, db, database } = await startApi({ log })
const url = await app.listen({ port: 0, host: '127.0.0.1' })

test('the page at /docs shows both versions and tries them out as it is filled in, without requests to other hosts', async () => {
  const page = await openPage()
  const complaints: string[] = []
  const requested: string[] = []
  // violations of the content security policy are console errors too
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())))
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('requestfailed', (request) => complaints.push(`${request.url()} failed`))
  page.on('request', (request) => requested.push(request.url()))

  await page.goto(`${url}/redoc`)
  expect(page.url()).toBe(`${url}/docs`)
  const paths = page.locator('.opblock-summary-path')
  await paths.first().waitFor()
  const shown = await paths.evaluateAll((all) => all.map((path) => path.getAttribute('data-path')))
  const contract = Object.entries(app.swagger().paths ?? {})
  expect(shown.sort()).toEqual(contract.flatMap(([path, item]) => Object.keys(item ?? {}).map(() => path)).sort())
  expect(shown).toEqual(expect.arrayContaining(['/api/v1/housing_type/', '/api/v2/housing-types']))

  for (const [method, path, status, answer] of [
    ['get', '/api/v1/housing_type/', '200', 'Co-Op Housing'],
    ['post', '/api/v2/housing', '201', '"version": 1'],
    ['get', '/api/v2/housing', '200', '"Douglas Street"'],
    ['get', '/api/v2/housing/{id}', '200', '"Douglas Street"'],
    ['post', '/api/v2/housing/batch', '200', '"op": "create"'],
    ['put', '/api/v2/housing-types/{code}', '200', '"code": "SFD"'],
  ] as const) {
    const operation = page.locator(`.opblock-${method}`, { has: page.locator(`[data-path="${path}"]`) })
    await operation.locator('.opblock-summary').click()
    await operation.locator('button.execute').click()
    const response = operation.locator('.live-responses-table')
    await response.locator('.response-col_status', { hasText: status }).waitFor()
    expect(await response.innerText()).toContain(answer)
  }
  expect(complaints).toEqual([])
  expect(requested.filter((to) => !to.startsWith(`${url}/`) && !to.startsWith('data:'))).toEqual([])
})

test('the page at /docs sends an API key that is entered there', async () => {
  const access = { auth: 'keys', anonymous: [], tokens: undefined, rateLimit: Number.POSITIVE_INFINITY } as const
  const guarded = await apiOver(database, { access })
  onTestFinished(() => guarded.close())
  const { key, ...stored } = makeApiKey()
  await insertKey(db, { ...stored, name: 'test', scopes: ['housing:read'], lifetime: 3600 })
  const page = await openPage()
  await page.goto(`${await guarded.listen({ port: 0, host: '127.0.0.1' })}/docs`)
  const list = page.locator('.opblock-get', { has: page.locator('[data-path="/api/v2/housing-types"]') })
  await list.locator('.opblock-summary').first().click()
  const status = list.locator('.live-responses-table .response-col_status')

  await list.locator('button.execute').click()
  await status.filter({ hasText: '401' }).waitFor()
  await page.locator('.scheme-container button.authorize').click()
  await page.locator('.auth-container input').fill(key)
  await page.locator('.auth-container button.authorize').click()
  await page.locator('.auth-container button.btn-done').click()
  await list.locator('button.execute').click()
  await status.filter({ hasText: '200' }).waitFor()
})

test('a page of another site can neither change anything, whatever it sends, nor frame a page', async () => {
  const house = { address: '1', street: 'A', city: 'B', postal_code: 'V8V 1A1', housing_type: 'SFD' }
  await app.inject({ method: 'POST', url: '/api/v2/housing', payload: house })
  await app.inject({ method: 'DELETE', url: '/api/v2/housing/1', headers: { 'if-match': '*' } })
  const other = createServer((_request, response) => response.end('<!doctype html><title>Other</title>'))
  onTestFinished(() => void other.close())
  await once(other.listen(0, '127.0.0.1'), 'listening')
  const page = await openPage()
  const origin = `http://localhost:${(other.address() as { port: number }).port}`
  await page.goto(origin)
  await page.evaluate(async (url) => {
    const house = JSON.stringify({ address: '1', street: 'A', city: 'B', postal_code: 'V8V 1A1', housing_type_id: 1 })
    const post = (path: string, body?: string | Blob) =>
      fetch(url + path, { method: 'POST', mode: 'no-cors', ...(body && { body }) }).catch(() => 'it may not even look')
    await post('/api/v1/housing/', house)
    await post('/api/v1/housing/', new Blob([house])) // without a Content-Type, which version 1 accepts
    await post('/api/v2/housing/1/versions/2/restore')
    await post('/api/v2/housing/1/versions/1/restore')
  }, url)
  expect((await app.inject('/api/v2/housing')).json().items).toEqual([])
  expect(warnings).toEqual([expect.stringContaining(`The origin ${origin} is not in ORIGINS`)])

  const complaints: string[] = []
  page.on('console', (message) => complaints.push(message.text()))
  for (const path of ['/docs', '/api/v2/housing-types', '/problems/not-found']) {
    complaints.length = 0
    await page.setContent(`<iframe src="${url}${path}"></iframe>`)
    await expect.poll(() => complaints.join()).toContain('frame-ancestors')
  }
})

test('EventSource gets every change once, over restarts and an outage of the database', async () => {
  const server = await startPostgres()
  onTestFinished(() => server.stop())
  const origin = createServer((_request, response) => response.end('<!doctype html><title>Screen</title>'))
  onTestFinished(() => void origin.close())
  await once(origin.listen(0, '127.0.0.1'), 'listening')
  const site = `http://localhost:${(origin.address() as { port: number }).port}`
  const env = { DATABASE_URL: server.url, PORT: `${await freePort()}`, ORIGINS: site }
  let program = await serve({ env })
  const { get, post } = remote(program.url)
  const bySql = async () => {
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query(`insert into housing.housing (address, street, city, postal_code, housing_type_id)
      values ('1', 'S', 'C', 'V8V 1A1', 1)`)
    await client.end()
  }

  const page = await openPage()
  await page.goto(site)
  const feed = await page.evaluateHandle((url) => {
    const source = new EventSource(url)
    const received = { opened: 0, positions: [] as number[] }
    source.onopen = () => {
      received.opened += 1
    }
    source.addEventListener('change', (event) => {
      received.positions.push(JSON.parse((event as MessageEvent).data).position)
    })
    return received
  }, `${program.url}/api/v2/housing/changes`)
  const positions = () => feed.evaluate(({ positions }) => positions)
  const arrives = (count: number) =>
    expect.poll(async () => (await positions()).length, { timeout: 60_000 }).toBe(count)

  await post()
  await arrives(1)
  for (const [i, signal] of (['SIGTERM', 'SIGKILL'] as const).entries()) {
    program.signal(signal)
    await program.exit
    await bySql()
    program = await serve({ env })
    await arrives(2 * i + 2)
    await post()
    await arrives(2 * i + 3)
  }

  await server.crash()
  program.signal('SIGKILL')
  await program.exit
  program = await serve({ env, until: 'listening' })
  await expect.poll(() => feed.evaluate(({ opened }) => opened), { timeout: 60_000 }).toBe(4)
  await server.start()
  await program.says('Ready: ')
  await post()
  await arrives(6)
  await server.crash()
  await server.start()
  await bySql()
  await arrives(7)
  const { items } = (await get('/api/v2/housing/changes')).body
  expect(await positions()).toEqual(items.map(({ position }: { position: number }) => position))
})

test('the client works in a browser, where it asks the origin of the page', async () => {
  const page = await openPage()
  await page.goto(`${url}/livez`)
  const { outputFiles } = await build({
    entryPoints: ['client/src/index.ts'],
    bundle: true,
    format: 'iife',
    globalName: 'client',
    footer: { js: 'globalThis.client = client' },
    write: false,
  })
  await page.evaluate(outputFiles[0]?.text as string)
  const seen = await page.evaluate(async (house) => {
    const { SampleApi, Problem } = (globalThis as unknown as { client: typeof import('../client/src/index.ts') }).client
    const { housing } = new SampleApi()
    const { id } = await housing.create(house)
    const changes = housing.changes()
    const { city } = await housing.update(id, () => ({ city: 'Saanich' }))
    const file = new File([await (await housing.export()).text()], 'houses.csv')
    const { unchanged } = await housing.import(file, { type: 'text/csv' })
    const versions: number[] = []
    for await (const { version } of changes) if (versions.push(version) === 2) break
    const failure = await housing.remove({ id, version: 1 }).catch((error: unknown) => error)
    const listening = new AbortController()
    setTimeout(() => listening.abort('enough'), 100)
    const next = housing.changes({ after: changes.position }, listening)[Symbol.asyncIterator]()
    await next.next()
    const end = await next.next().catch((reason: unknown) => reason)
    return { city, unchanged, versions, code: failure instanceof Problem && failure.code, end }
  }, library)
  expect(seen).toEqual({ city: 'Saanich', unchanged: 1, versions: [1, 2], code: 'precondition-failed', end: 'enough' })
})
