import { once } from 'node:events'
import { createServer } from 'node:http'
import { build } from 'esbuild'
import pg from 'pg'
import type { Page } from 'playwright-core'
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

/** What a page complains of, and what it asks for. Violations of the content security policy are errors on the console. */
function watch(page: Page) {
  const seen = { complaints: [] as string[], requested: [] as string[] }
  page.on('console', (message) => void (message.type() === 'error' && seen.complaints.push(message.text())))
  page.on('pageerror', (error) => seen.complaints.push(error.message))
  page.on('requestfailed', (request) => {
    // what is still loading when another page is opened is no longer needed
    if (request.failure()?.errorText !== 'net::ERR_ABORTED') seen.complaints.push(`${request.url()} failed`)
  })
  page.on('request', (request) => seen.requested.push(request.url()))
  return seen
}

test('the page at /docs has every operation, in groups and in the order in which people need them, and asks no other host', async () => {
  const page = await openPage()
  const { complaints, requested } = watch(page)
  await page.goto(`${url}/redoc`)
  expect(page.url()).toBe(`${url}/docs`)
  await page.locator('.opblock').first().waitFor()
  const groups = await page
    .locator('.opblock-tag-section')
    .evaluateAll((sections) =>
      sections.map((section) => [
        section.querySelector('.opblock-tag')?.getAttribute('data-tag'),
        [...section.querySelectorAll('.opblock')].map((one) => one.id.split('-').at(-1)),
      ]),
    )
  expect(groups).toEqual([
    [
      'Housing',
      [
        ...['listHousing', 'createHousing', 'getHousing', 'replaceHousing', 'patchHousing', 'deleteHousing'],
        ...['listHousingVersions', 'restoreHousing', 'batchHousing', 'exportHousing', 'importHousing', 'applyImport'],
        'listHousingChanges',
      ],
    ],
    ['Housing types', ['listHousingTypes', 'getHousingType', 'putHousingType', 'deleteHousingType']],
    [
      'Version 1',
      [
        'get_all_housing_types_api_v1_housing_type__get',
        'get_housing_type_code_api_v1_housing_type__code__get',
        'get_housing_in_postal_code_api_v1_housing__postal_code__get',
        'create_house_api_v1_housing__post',
      ],
    ],
    ['Service', ['root__get']],
  ])
  expect(groups.flatMap(([, ids]) => ids)).toHaveLength(
    Object.values(app.swagger().paths ?? {}).flatMap(Object.keys).length,
  )
  const text = await page.locator('body').innerText()
  expect(text).toMatch(/Version 1\s+Frozen/)
  expect(text).not.toMatch(/Authorize|Explore|Swagger|Fastify/i)
  expect(complaints).toEqual([])
  expect(requested.filter((to) => !to.startsWith(`${url}/`) && !to.startsWith('data:'))).toEqual([])
})

test('every operation at /docs can be tried out as it is filled in, from top to bottom', async () => {
  const page = await openPage()
  const { complaints } = watch(page)
  await app.inject({ method: 'POST', url: '/api/v2/housing', payload: library })
  await page.goto(`${url}/docs`)
  await page.locator('.opblock').first().waitFor()
  const operations = await page.locator('.opblock').all()
  const statuses: Record<string, string> = {}
  for (const operation of operations) {
    await operation.locator('.opblock-summary').first().click()
    await operation.locator('button.execute').click()
    const status = operation.locator('.live-responses-table .response-col_status').nth(1)
    await status.waitFor()
    const id = (await operation.getAttribute('id'))?.split('-').at(-1) ?? ''
    statuses[id] = (await status.innerText()).slice(0, 3)
    await operation.locator('.opblock-summary').first().click()
  }
  const { applyImport, ...others } = statuses
  expect(applyImport).toBe('404') // an import to apply has an id that no example can know
  expect(Object.entries(others).filter(([, status]) => !status.startsWith('2'))).toEqual([])
  expect(Object.keys(others)).toHaveLength(operations.length - 1)
  expect(complaints).toEqual([expect.stringContaining('404')])
})

test('the pages fit a phone and are dark where the reader wants it so, without a complaint', async () => {
  const page = await openPage()
  const { complaints, requested } = watch(page)
  const groundOf = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor')
  await page.setViewportSize({ width: 360, height: 740 })
  for (const path of ['/docs', '/docs/', '/problems', '/problems/', '/problems/not-found']) {
    await page.emulateMedia({ colorScheme: 'light' })
    await page.goto(url + path)
    await page.locator('h1, h2').first().waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth'), path).toBe(360)
    const light = await groundOf()
    await page.emulateMedia({ colorScheme: 'dark' })
    expect(await groundOf(), path).not.toBe(light)
    expect(await page.evaluate('document.querySelector("header img").naturalWidth'), path).toBeGreaterThan(0)
    await page.getByRole('link', { name: 'Problems', exact: true }).click()
    await page.getByRole('link', { name: 'Not found', exact: true }).click()
    expect(page.url(), path).toBe(`${url}/problems/not-found`)
    await page.getByRole('link', { name: 'All problems' }).click()
    expect(page.url(), path).toBe(`${url}/problems`)
  }
  expect(complaints).toEqual([])
  expect(requested.filter((to) => !to.startsWith(`${url}/`))).toEqual([])
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
  await page.goto(`${url}/docs`)
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
    const next = housing.changes({ after: changes.position }, listening)[Symbol.asyncIterator]()
    await next.next()
    const waiting = next.next().catch((reason: unknown) => reason)
    listening.abort('enough')
    const end = await waiting
    return { city, unchanged, versions, code: failure instanceof Problem && failure.code, end }
  }, library)
  expect(seen).toEqual({ city: 'Saanich', unchanged: 1, versions: [1, 2], code: 'precondition-failed', end: 'enough' })
})
