import { readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { sql } from 'kysely'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { makeApiKey } from '../src/access/api-key.ts'
import { insertKey } from '../src/access/queries.ts'
import { apiOver, startApi } from './support/api.ts'
import { openPage, skipWithoutChromium } from './support/chromium.ts'
import { client, library } from './support/http.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })
beforeEach(skipWithoutChromium)

const { app, db, database } = await startApi()
const url = `${await app.listen({ port: 0, host: '127.0.0.1' })}/`
const { get, post, put, patch, delete: remove } = client(app)

const any = { 'if-match': '*' }
const houses = '/api/v2/housing'

/** Adds so many houses, in streets that are numbered from 1. */
const addHouses = (count: number) =>
  post(
    `${houses}/import`,
    Array.from({ length: count }, (_, i) => ({ ...library, street: `Street ${i + 1}` })),
  )

/** The page in a new browser. Errors in its console, and requests to other hosts, fail the test. */
async function open(place = '', options: BrowserContextOptions = {}): Promise<Page> {
  const page = await openPage({ viewport: { width: 1280, height: 800 }, ...options })
  watch(page)
  await page.goto(url + place)
  return page
}

function watch(page: Page, home = url): void {
  const complaints: string[] = []
  // a failing answer is no fault of the page; a violation of its policy is an error in the console too
  page.on('console', (message) => {
    if (!/Failed to load resource/.test(message.text())) complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('request', (request) => {
    const to = request.url()
    if (!to.startsWith(home) && !/^(data|blob):/.test(to)) complaints.push(to)
  })
  onTestFinished(() => expect(complaints).toEqual([]))
}

const rows = (page: Page) => page.locator('[data-row]')
const row = (page: Page, text: string) => page.locator('tr', { hasText: text })
const field = (page: Page, label: string) => page.locator('.panel').getByLabel(label, { exact: true })
/** Fills in the form for a new house. */
async function fillIn(page: Page, street: string): Promise<void> {
  const values = { 'House number or name': '9', Street: street, City: 'Victoria', 'Postal code': 'V8V 1A1' }
  for (const [label, value] of Object.entries(values)) await field(page, label).fill(value)
  await field(page, 'Type').selectOption('COP')
}
const button = (page: Page, name: string) => page.getByRole('button', { name, exact: true })
const notice = (page: Page) => page.locator('.notice')
const reads = (page: Page, text: string | RegExp) => page.getByText(text).first().waitFor()

/** What a browser does that blocks cookies. */
const forbidStorage = `
  const forbid = () => { throw new DOMException('Access is denied for this document.', 'SecurityError') }
  for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { get: forbid })
  window.BroadcastChannel = class { constructor() { forbid() } }
  navigator.locks.request = async () => forbid()`

/** An attribute of what has the focus. */
const focused = (page: Page, attribute: string) => page.evaluate(`document.activeElement?.getAttribute('${attribute}')`)

/** Something to wait for: until `answer` is called. */
function hold() {
  let answer = () => {}
  const held = new Promise<void>((resolve) => (answer = resolve))
  return { held, answer }
}

test('an empty registry offers demo data, which fills a list that grows as one scrolls', async () => {
  const page = await open()
  await button(page, 'Look around with demo data').click()
  await reads(page, '400 invented houses added.')
  await reads(page, '400 houses')
  expect(await rows(page).count()).toBe(100)
  for (const count of [200, 300, 400]) {
    await rows(page).last().scrollIntoViewIfNeeded()
    await expect.poll(() => rows(page).count()).toBe(count)
  }
  await expect.poll(() => page.getByText('Loading more').count()).toBe(0)
})

test('search, filters and order are in the URL, and Back undoes them', async () => {
  await addHouses(30)
  await post(houses, { ...library, city: 'Kelowna', housing_type: 'SFD', street: 'Maple Street' })
  const page = await open()
  await page.getByLabel('Search address, street and city').fill('maple kel')
  await reads(page, /^1 house$/)
  expect(new URL(page.url()).search).toBe('?q=maple+kel')
  await page.goto(url)
  await page.getByText('City', { exact: true }).first().click()
  await page.getByLabel('City, the whole name').fill('victoria')
  await button(page, 'Filter').first().click()
  await reads(page, /^30 houses$/)
  await page.getByRole('link', { name: 'Changed' }).click()
  await page.getByText('Type', { exact: true }).first().click()
  await page.getByLabel('Co-Op Housing COP').check()
  await expect.poll(() => new URL(page.url()).search).toBe('?city=victoria&sort=updated_at&housing_type=COP')
  expect(await page.locator('.export a').first().getAttribute('href')).toBe(
    'api/v2/housing/export?city=victoria&housing_type=COP&sort=updated_at&format=csv',
  )
  await page.goBack()
  await page.goBack()
  await expect.poll(() => new URL(page.url()).search).toBe('?city=victoria')
  await page.getByRole('link', { name: 'Remove the filter City' }).click()
  await reads(page, /^31 houses$/)
  await page.goto(`${url}?q=nowhere`)
  await page.getByRole('link', { name: 'Show all' }).click()
  await reads(page, /^31 houses$/)
})

test('a house is added, edited and deleted; faults stand at their fields, and each step can be undone', async () => {
  const page = await open()
  await page.getByRole('link', { name: 'Add a house' }).first().click()
  await field(page, 'House number or name').fill('735')
  await field(page, 'Street').fill('Broughton Street')
  await field(page, 'City').fill('Victoria')
  await field(page, 'Postal code').fill('V8W')
  await button(page, 'Add').click()
  await reads(page, /^Postal code is invalid/)
  expect(await field(page, 'Postal code').getAttribute('aria-invalid')).toBe('true')
  expect(await focused(page, 'id')).toBe('postal_code')
  await page.reload() // what was typed is still there
  expect(await field(page, 'Street').inputValue()).toBe('Broughton Street')
  await field(page, 'Postal code').fill('v8w3h2')
  await button(page, 'Add').click() // a type is not chosen for anybody
  await reads(page, 'Choose a type.')
  await field(page, 'Type').selectOption('COP')
  await button(page, 'Add').click()
  await reads(page, '735 Broughton Street added.')

  await field(page, 'City').fill('Kelowna')
  await button(page, 'Save').click()
  await reads(page, '735 Broughton Street changed.')
  await expect.poll(() => row(page, 'Broughton').innerText()).toContain('Kelowna')
  await expect.poll(() => focused(page, 'id')).toBe('panel-title') // Save is disabled now
  await button(page, 'Undo z').click()
  await reads(page, 'Undone: 735 Broughton Street changed.')
  await expect.poll(() => field(page, 'City').inputValue()).toBe('Victoria')

  await button(page, 'Delete').click()
  await reads(page, '735 Broughton Street deleted.')
  expect((await get(`${houses}/1`)).statusCode).toBe(404)
  await page.keyboard.press('z')
  await reads(page, 'Undone: 735 Broughton Street deleted.')
  expect((await get(`${houses}/1`)).json()).toMatchObject({ city: 'Victoria', postal_code: 'V8W 3H2' })
})

test('two windows race for a house: the later one sees both versions, and chooses', async () => {
  await post(houses, library)
  const [mine, theirs] = [await open('?house=1'), await open('?house=1')]
  await field(mine, 'Street').fill('Mine Street')
  await field(mine, 'Postal code').fill('V8W 1P6')
  await field(theirs, 'Street').fill('Their Street')
  await field(theirs, 'City').fill('Kelowna')
  await button(theirs, 'Save').click()
  await reads(theirs, 'Their Street changed.')
  await button(mine, 'Save').click()
  await reads(mine, 'Somebody else has changed this house meanwhile.')
  expect((await get(`${houses}/1`)).json()).toMatchObject({ version: 2, street: 'Their Street' })
  const chosen = mine.getByRole('radio', { checked: true })
  expect(await chosen.evaluateAll((all) => all.map((one) => one.getAttribute('aria-label')))).toEqual([
    'Street: yours, Mine Street',
    'City: saved meanwhile, Kelowna',
    'Postal code: yours, V8W 1P6',
  ])
  expect(await mine.getByRole('radio').count()).toBe(6)
  await mine.getByLabel('Street: saved meanwhile').check()
  await button(mine, 'Save this').click()
  await reads(mine, 'Their Street changed.')
  expect((await get(`${houses}/1`)).json()).toMatchObject({
    version: 3,
    street: 'Their Street',
    city: 'Kelowna',
    postal_code: 'V8W 1P6',
  })
})

test('where somebody else has made the same change, there is nothing to choose', async () => {
  await post(houses, library)
  const page = await open('?house=1')
  await field(page, 'Street').fill('Fort Street')
  await patch(`${houses}/1`, { street: 'Fort Street' }, any)
  await button(page, 'Save').click()
  await reads(page, 'Somebody else has made the same change.')
  expect(await page.locator('.conflict').count()).toBe(0)
  expect(await button(page, 'Delete').count()).toBe(1)
})

test('what was typed into a house that somebody deletes is kept until the house is back', async () => {
  await post(houses, library)
  const page = await open('?house=1')
  await page.locator('[data-live=true]').waitFor()
  await field(page, 'Street').fill('Typed Street')
  await remove(`${houses}/1`, any)
  await reads(page, /What you typed is kept/)
  await page.locator('.panel').getByRole('link', { name: 'history', exact: true }).click()
  await page.getByRole('button', { name: 'Restore this version' }).click()
  await page.getByRole('link', { name: 'House', exact: true }).click()
  await expect.poll(() => field(page, 'Street').inputValue()).toBe('Typed Street')
})

test('Back changes the text of the search, also while one is in it', async () => {
  await addHouses(3)
  const page = await open('?q=street+1')
  await rows(page).first().waitFor()
  await page.getByRole('link', { name: 'Changed' }).click()
  await page.goto(`${url}?q=street+2`)
  const search = page.getByLabel('Search address, street and city')
  await search.focus()
  await page.goBack()
  await page.goBack()
  await expect.poll(() => search.inputValue()).toBe('street 1')
})

test('the history shows who changed what; any version comes back, a deleted house too', async () => {
  await post(houses, library)
  await patch(`${houses}/1`, { street: 'Fort Street' }, any)
  await patch(`${houses}/1`, { city: 'Kelowna' }, any)
  const page = await open('?house=1&tab=history')
  const items = page.locator('.history li')
  await expect.poll(() => items.count()).toBe(3)
  expect(await items.nth(1).locator('del').innerText()).toBe('Broughton Street')
  expect(await items.nth(1).locator('ins').innerText()).toBe('Fort Street')
  await items.last().getByRole('button', { name: 'Restore this version' }).click()
  await reads(page, 'is as it was in version 1.')
  await expect.poll(() => items.count()).toBe(4)
  await button(page, 'Undo this change').click()
  await expect.poll(async () => (await get(`${houses}/1`)).json()).toMatchObject({ version: 5, city: 'Kelowna' })
  await remove(`${houses}/1`, any)
  await expect.poll(() => items.first().innerText()).toContain('Deleted')
  await items.nth(1).getByRole('button', { name: 'Restore this version' }).click()
  await reads(page, 'is as it was in version 5.')
  expect((await get(`${houses}/1`)).json()).toMatchObject({ version: 7, city: 'Kelowna' })
  await page.getByLabel('As it was at').fill('2020-01-01T00:00')
  await reads(page, /^There was no house with the id 1 at 2020/)
})

test('housing types are added, renamed and deleted, unless a house has them', async () => {
  await post(houses, library)
  const page = await open('?view=types')
  await page.getByLabel('Code: three letters').fill('tnh')
  await page.getByLabel('Name', { exact: true }).fill('Town House')
  await button(page, 'Add a type').click()
  await reads(page, 'Town House added.')
  await page.getByLabel('The name of TNH').fill('Townhouse')
  await button(page, 'Save').click()
  await reads(page, 'TNH is called Townhouse.')
  await button(page, 'Undo z').click()
  await button(page, 'Delete Town House').click()
  await reads(page, 'Town House deleted.')
  await button(page, 'Delete Co-Op Housing').click()
  await page
    .locator('.failure')
    .getByText(/in use|refer|has it|houses/i)
    .waitFor()
})

test('what somebody else has made of a housing type is neither renamed nor deleted nor undone', async () => {
  const tnh = '/api/v2/housing-types/TNH'
  const name = async () => (await get(tnh)).json().description
  await post(houses, library)
  const page = await open('?view=types')
  await page.getByLabel('Code: three letters').fill('TNH')
  await page.getByLabel('Name', { exact: true }).fill('Town House')
  await button(page, 'Add a type').click()
  await page.getByLabel('The name of TNH').fill('Row House')
  await put(tnh, { description: 'Terrace' })
  await button(page, 'Save').click()
  await reads(page, 'Nothing was changed: TNH is called Terrace by now.')
  expect(await name()).toBe('Terrace')
  await page.locator('.choice', { hasText: 'Terrace' }).waitFor({ state: 'attached' }) // the types are loaded again
  await button(page, 'Save').click() // what was typed is still there; this time it is about Terrace
  await reads(page, 'TNH is called Row House.')
  expect(await name()).toBe('Row House')
  await put(tnh, { description: 'Duplex' })
  await button(page, 'Undo z').click()
  await reads(page, 'Not undone. Nothing was changed: TNH is called Duplex by now.')
  expect(await name()).toBe('Duplex')
  await button(page, 'Delete Duplex').waitFor()
  await put(tnh, { description: 'Villa' })
  await button(page, 'Delete Duplex').click()
  await reads(page, 'Nothing was changed: TNH is called Villa by now.')
  expect(await name()).toBe('Villa')
  await button(page, 'Delete Villa').click()
  await reads(page, 'Villa deleted.')
  await put(tnh, { description: 'Cabin' })
  await button(page, 'Undo z').click()
  await reads(page, 'Not undone. Nothing was changed: TNH is called Cabin by now.')
  await remove(tnh)
})

test('an import is checked first; rejected rows come back as a file; the good ones are applied', async () => {
  const page = await open('?view=import')
  const header = 'address,street,city,postal_code,housing_type\n'
  const good = '1,Main Street,Victoria,V8V 1A1,SFD\n'
  const bad = '2,Oak Street,Victoria,V8V,XXX\n'
  const file = { name: 'houses.csv', mimeType: 'text/csv', buffer: Buffer.from(header + good + bad) }
  await page.locator('input[type=file]').setInputFiles(file)
  await page.getByRole('cell', { name: 'postal_code' }).waitFor()
  expect((await get(houses)).json().items).toEqual([])
  const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Save the rejected rows').click()])
  expect(download.suggestedFilename()).toBe('rejected-houses.csv')
  const rejected = readFileSync(await download.path(), 'utf8')
  expect(rejected).toMatch(/^address,street,city,postal_code,housing_type,line,field,code,detail\n2,Oak Street/)
  await button(page, 'Apply: 1 house').click()
  await reads(page, '1 house added, 0 houses changed.')
  await row(page, 'Main Street').waitFor()
  await page.goto(`${url}?view=import`)
  await page.locator('input[type=file]').setInputFiles({ ...file, buffer: Buffer.from([0xff, 0xfe, 0, 1]) })
  await page.locator('.failure').waitFor()
  await button(page, 'Try again').waitFor()
})

test('an export is a file of what is shown', async () => {
  await addHouses(3)
  const page = await open('?street=street+2')
  await page.getByText('Export', { exact: true }).click()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('CSV', { exact: true }).click()])
  expect(download.suggestedFilename()).toMatch(/^housing-.*\.csv$/)
  expect(readFileSync(await download.path(), 'utf8')).toMatch(/^id,.*\n2,735,Street 2,.*\n$/)
})

test('an export that fails is shown as a problem, and not saved as a file', async () => {
  await addHouses(1)
  const page = await open()
  await rows(page).first().waitFor()
  const downloads: string[] = []
  page.on('download', (download) => void downloads.push(download.suggestedFilename()))
  await page.getByText('Export', { exact: true }).click()
  await sql`alter function housing.number_changes rename to unavailable`.execute(db)
  try {
    await page.getByText('CSV', { exact: true }).click()
    await notice(page)
      .getByText(/^The schema of the database/)
      .waitFor()
  } finally {
    await sql`alter function housing.unavailable rename to number_changes`.execute(db)
  }
  await Promise.all([page.waitForEvent('download'), page.getByText('CSV', { exact: true }).click()])
  expect(downloads).toEqual([expect.stringMatching(/\.csv$/)])
})

test('changes of others arrive: shown rows glow in place, others are counted; one tab asks for all', async () => {
  await addHouses(2)
  const page = await open()
  const other = await page.context().newPage()
  watch(other)
  const streams: string[] = []
  for (const tab of [page, other]) {
    tab.on('request', (request) => void (request.url().includes('/changes') && streams.push(request.url())))
  }
  await other.goto(url)
  for (const tab of [page, other]) await tab.locator('[data-live=true]').waitFor()
  await patch(`${houses}/2`, { street: 'Glowing Street' }, any)
  await post(houses, library)
  for (const tab of [page, other]) {
    await tab.locator('tr.changed', { hasText: 'Glowing Street' }).waitFor()
    expect(await rows(tab).count()).toBe(2)
    await button(tab, '1 change elsewhere in the registry: show').click()
    await expect.poll(() => rows(tab).count()).toBe(3)
    await expect.poll(() => tab.locator('.fresh').count()).toBe(0)
  }
  await remove(`${houses}/2`, any)
  for (const tab of [page, other]) await tab.locator('tr.deleted', { hasText: 'Glowing Street' }).waitFor()
  expect(streams.length).toBeLessThanOrEqual(1) // the first tab may have asked before it was watched
  await page.close() // the other tab goes on
  await patch(`${houses}/1`, { street: 'Later Street' }, any)
  await other.locator('tr.changed', { hasText: 'Later Street' }).waitFor()
})

/** An API that asks for keys, and a key to write with. `anonymous`: what callers without one may do. */
async function serveWithKeys({ anonymous }: { anonymous: 'housing:read'[] }) {
  const access = { auth: 'keys', anonymous, tokens: undefined, rateLimit: Number.POSITIVE_INFINITY } as const
  const guarded = await apiOver(database, { access })
  onTestFinished(() => guarded.close())
  const { key, ...stored } = makeApiKey()
  await insertKey(db, { ...stored, name: 'test', scopes: ['housing:read', 'housing:write'], lifetime: 3600 })
  return { home: `${await guarded.listen({ port: 0, host: '127.0.0.1' })}/`, key }
}

test('where the API asks for a key, the page does, and keeps it in its tab only', async () => {
  const { home, key } = await serveWithKeys({ anonymous: [] })
  await addHouses(1)
  const page = await openPage({ viewport: { width: 1280, height: 800 } })
  watch(page, home)
  await page.goto(home)
  for (const [given, seen] of [
    ['hr_wrong', /^The API key or token is not valid/],
    [key, '735 Street 1'],
  ] as const) {
    await page.getByLabel('API key').fill(given)
    await button(page, 'Sign in').click()
    await reads(page, seen)
  }
  await page.locator('[data-live=true]').waitFor()
  await page.getByText('Export', { exact: true }).click()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByText('NDJSON', { exact: true }).click(),
  ])
  expect(JSON.parse(readFileSync(await download.path(), 'utf8'))).toMatchObject({ id: 1 })
  expect(page.url()).not.toContain(key)
  expect(await page.context().cookies()).toEqual([])
  await page.goto(`${page.url()}?view=types`)
  await button(page, 'Delete Assisted Living').click()
  await page.locator('.failure').getByText('housing:admin').waitFor()
  await button(page, 'Sign out').click()
  await page.getByLabel('API key').waitFor()
})

test.each([
  ['forbids storage, locks and channels', forbidStorage],
  [
    'has no storage',
    "for (const name of ['localStorage', 'sessionStorage']) Object.defineProperty(window, name, { value: null })",
  ],
  ['stores nothing more', "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }"],
])('a browser that %s has the whole page', async (_, script) => {
  const { home, key } = await serveWithKeys({ anonymous: ['housing:read'] })
  await addHouses(2)
  const page = await openPage({ viewport: { width: 1280, height: 800 } })
  watch(page, home)
  await page.addInitScript(script)
  await page.goto(home)
  await page.getByText('735 Street 1').click()
  await field(page, 'Street').fill('Typed Street')
  await page.getByText('735 Street 2').click()
  await page.locator('.panel').getByText('735 Street 2').waitFor()
  await page.getByText('735 Street 1').click()
  await expect.poll(() => field(page, 'Street').inputValue()).toBe('Typed Street')
  await button(page, 'Save').click()
  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('API key').fill(key)
  await button(page, 'Sign in').click()
  await expect.poll(() => field(page, 'Street').inputValue()).toBe('Typed Street')
  await button(page, 'Save').click()
  await reads(page, '735 Typed Street changed.')
  await page.locator('[data-live=true]').waitFor()
  await patch(`${houses}/2`, { street: 'Glowing Street' }, any)
  await page.locator('tr.changed', { hasText: 'Glowing Street' }).waitFor()
  await button(page, 'Keyboard').click()
  await page.getByLabel('Use these keys').uncheck()
  await page.keyboard.press('Escape')
  await page.getByText('735 Typed Street').first().click()
  await page.keyboard.press('n')
  expect(page.url()).not.toContain('house=new')
  await button(page, 'Sign out').click()
  await expect.poll(() => button(page, 'Sign out').count()).toBe(0)
})

test('offline nothing that was typed is lost, and it is saved when the network is back', async () => {
  await post(houses, library)
  const page = await open('?house=1')
  await field(page, 'Street').fill('Offline Street')
  await page.context().setOffline(true)
  await button(page, 'Save').click()
  const editor = page.getByRole('complementary') // the list may say the same
  await editor.locator('.failure').getByText('There is no network.').waitFor({ timeout: 60_000 })
  expect(await field(page, 'Street').inputValue()).toBe('Offline Street')
  await page.context().setOffline(false)
  await button(page, 'Save').click()
  await reads(page, '735 Offline Street changed.')
  await patch(`${houses}/1`, { city: 'Kelowna' }, any)
  await expect.poll(() => row(page, 'Offline Street').innerText(), { timeout: 60_000 }).toContain('Kelowna')
})

test('everything can be done by the keyboard', async () => {
  await addHouses(3)
  const page = await open()
  await rows(page).first().waitFor()
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('k')
  await page.keyboard.press('j')
  await page.keyboard.press('Enter')
  await expect.poll(() => new URL(page.url()).search).toBe('?house=2')
  await field(page, 'Street').waitFor()
  await page.keyboard.press('h')
  await page.locator('.history li').waitFor()
  await page.keyboard.press('Escape')
  await expect.poll(() => focused(page, 'data-row')).toBe('2')
  await page.keyboard.press('n')
  await field(page, 'Street').waitFor()
  expect(await focused(page, 'id')).toBe('panel-title') // at once, else it would leave a field that one types into
  for (const value of ['9', 'Key Street', 'Victoria', 'V8V 1A1']) {
    do await page.keyboard.press('Tab')
    while (!(await focused(page, 'name')))
    await page.keyboard.type(value)
  }
  await page.keyboard.press('Tab')
  await page.keyboard.press('s')
  expect(await field(page, 'Type').inputValue()).toMatch(/^S/)
  for (const key of ['Tab', 'Enter']) await page.keyboard.press(key)
  await reads(page, '9 Key Street added.')
  await page.keyboard.press('Escape')
  await page.keyboard.press('z')
  await reads(page, 'Undone: 9 Key Street added.')
  await page.keyboard.press('/')
  await page.keyboard.type('street 3')
  await expect.poll(() => rows(page).count()).toBe(1)
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  const help = page.getByRole('dialog')
  await help.waitFor()
  await page.keyboard.press('Tab')
  await help.getByLabel('Use these keys').focus()
  await page.keyboard.press('Space')
  await page.keyboard.press('Escape')
  await page.keyboard.press('n')
  expect(page.url()).not.toContain('house=new')
})

test('the count follows what this page does, which is not announced as a change elsewhere', async () => {
  await addHouses(150)
  const page = await open('?house=1')
  await page.locator('[data-live=true]').waitFor()
  await reads(page, /^150 houses$/)
  await page.keyboard.press('n')
  await fillIn(page, 'New Street')
  await button(page, 'Add').click()
  await reads(page, /^151 houses$/)
  await patch(`${houses}/2`, { street: 'Later Street' }, any) // it comes after the house in the feed
  await row(page, 'Later Street').waitFor()
  expect(await page.locator('.fresh').count()).toBe(0)
})

test('what this page imports or changes beyond the rows that it shows is not announced as a change elsewhere', async () => {
  const page = await open()
  await page.locator('[data-live=true]').waitFor()
  await button(page, 'Look around with demo data').click()
  await reads(page, /^400 houses$/)
  const feedHasCome = async (street: string) => {
    await patch(`${houses}/1`, { street }, any)
    await row(page, street).waitFor()
    expect(await page.locator('.fresh').count()).toBe(0)
  }
  await feedHasCome('Demo Street')
  await page.goto(`${url}?view=import`)
  await page.locator('[data-live=true]').waitFor()
  const buffer = Buffer.from(JSON.stringify(Array.from({ length: 150 }, () => library)))
  await page.locator('input[type=file]').setInputFiles({ name: 'a.json', mimeType: 'application/json', buffer })
  await button(page, 'Apply: 150 houses').click()
  await reads(page, /^550 houses$/)
  await feedHasCome('Import Street')
  const [{ id: last }] = (await get(`${houses}?sort=-id&limit=1`)).json().items
  await page.goto(`${url}?house=${last}`)
  await page.locator('[data-live=true]').waitFor()
  await field(page, 'Street').fill('Far Street')
  const { held, answer } = hold()
  await page.route(new RegExp(`/housing/${last}$`), async (route) => {
    const response = await route.fetch()
    if (route.request().method() === 'PATCH') await held
    await route.fulfill({ response })
  })
  await button(page, 'Save').click()
  await page.locator('.fresh').waitFor() // the feed was faster than the answer
  answer()
  await reads(page, 'Far Street changed.')
  await feedHasCome('Later Street')
})

test('a filter during the loading of further rows, and a failure of them, leave no trace in the next list', async () => {
  await addHouses(150)
  await post(houses, { ...library, city: 'Kelowna' })
  const page = await open()
  await reads(page, /^151 houses$/)
  const further = page.waitForRequest(/cursor=/)
  await page.route(/cursor=/, () => {}) // never answered
  await rows(page).last().scrollIntoViewIfNeeded()
  await further
  await page.getByLabel('Search address, street and city').fill('kelowna')
  await reads(page, /^1 house$/)
  expect(await page.locator('.failure').count()).toBe(0)
  await page.unroute(/cursor=/)
  await page.route(/cursor=/, (route) =>
    route.fulfill({ status: 400, json: { code: 'invalid-parameter', detail: 'No.' } }),
  )
  await page.goto(url)
  await reads(page, /^151 houses$/)
  await rows(page).last().scrollIntoViewIfNeeded()
  await page.locator('.failure').waitFor()
  await page.getByLabel('Search address, street and city').fill('kelowna')
  await reads(page, /^1 house$/)
  expect(await page.locator('.failure').count()).toBe(0)
})

test('a window that is taller than a page of the list is filled', async () => {
  await addHouses(350)
  const page = await open('', { viewport: { width: 1280, height: 12_000 } })
  await expect.poll(() => rows(page).count(), { timeout: 20_000 }).toBe(350)
})

test('what is typed during a save stays, and the old values do not come back', async () => {
  await post(houses, library)
  const page = await open('?house=1')
  await field(page, 'Street').fill('Slow Street')
  const { held, answer } = hold()
  await page.route(/\/housing\/1$/, async (route) => {
    if (route.request().method() === 'PATCH') await held
    else await new Promise(() => {}) // the answer to a read never comes
    await route.continue()
  })
  await button(page, 'Save').click()
  await button(page, 'Saving …').waitFor()
  await field(page, 'City').fill('Kelowna')
  answer()
  await reads(page, '735 Slow Street changed.')
  expect(await field(page, 'Street').inputValue()).toBe('Slow Street')
  expect(await field(page, 'City').inputValue()).toBe('Kelowna')
  await button(page, 'Save').click()
  await expect
    .poll(async () => (await get(`${houses}/1`)).json())
    .toMatchObject({
      version: 3,
      street: 'Slow Street',
      city: 'Kelowna',
    })
  await page.unrouteAll({ behavior: 'ignoreErrors' })
})

test('a house is added once, even if the answer got lost and one adds it again', async () => {
  const page = await open('?house=new')
  await fillIn(page, 'Lost Street')
  await page.route(/\/housing$/, async (route) => {
    await route.fetch()
    await route.abort()
  })
  await button(page, 'Add').click()
  await page.locator('.panel .failure').waitFor()
  await page.unrouteAll({ behavior: 'wait' })
  await button(page, 'Add').click()
  await reads(page, '9 Lost Street added.')
  expect((await get(houses)).json().items).toHaveLength(1)
})

test('a conflict begins again when the house changes once more, and shows what fails', async () => {
  await post(houses, library)
  const page = await open('?house=1')
  await page.route(/\/changes/, (route) => route.abort())
  await field(page, 'Street').fill('Mine Street')
  await patch(`${houses}/1`, { street: 'Second Street' }, any)
  await button(page, 'Save').click()
  await page.getByLabel('Street: saved meanwhile, Second Street').check()
  await page.getByLabel('Street: yours, Mine Street').check()
  await patch(`${houses}/1`, { street: 'Third Street', city: 'Kelowna' }, any)
  await button(page, 'Save this').click()
  await page.getByLabel('Street: saved meanwhile, Third Street').check()
  expect(await page.getByLabel('City: saved meanwhile, Kelowna').isChecked()).toBe(true)
  await page.getByLabel('Street: yours, Mine Street').check()
  await page.context().setOffline(true)
  await button(page, 'Save this').click()
  await page.locator('.conflict .failure').getByText('There is no network.').waitFor({ timeout: 60_000 })
  await page.context().setOffline(false)
  await button(page, 'Save this').click()
  await reads(page, '735 Mine Street changed.')
  expect((await get(`${houses}/1`)).json()).toMatchObject({ version: 4, street: 'Mine Street', city: 'Kelowna' })
})

test('a double click on Discard deletes nothing', async () => {
  await post(houses, library)
  const page = await open('?house=1')
  await field(page, 'Street').fill('Mine Street')
  await button(page, 'Discard').dblclick()
  await button(page, 'Delete').waitFor()
  await field(page, 'Street').fill('Other Street') // by now a deletion would have come
  expect((await get(`${houses}/1`)).statusCode).toBe(200)
})

test('of two files that are chosen one after the other, the later one is imported', async () => {
  const page = await open('?view=import')
  const { held, answer } = hold()
  await page.route(
    /dry_run/,
    async (route) => {
      await held
      await route.continue().catch(() => {})
    },
    { times: 1 },
  )
  const fileOf = (name: string, count: number) => ({
    name,
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify(Array.from({ length: count }, () => library))),
  })
  await page.locator('input[type=file]').setInputFiles(fileOf('first.json', 1))
  await page.locator('input[type=file]').setInputFiles(fileOf('second.json', 2))
  await button(page, 'Apply: 2 houses').waitFor()
  answer()
  await page.waitForTimeout(500)
  await button(page, 'Apply: 2 houses').waitFor()
})

test('the rejected rows of a JSON array are saved as what they are: NDJSON', async () => {
  const page = await open('?view=import')
  const buffer = Buffer.from(JSON.stringify([{ ...library, postal_code: 'x' }]))
  await page.locator('input[type=file]').setInputFiles({ name: 'a.json', mimeType: 'application/json', buffer })
  const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Save the rejected rows').click()])
  expect(download.suggestedFilename()).toBe('rejected-a.ndjson')
})

test('where reading needs no key, a write that needs one leads to signing in', async () => {
  const { home, key } = await serveWithKeys({ anonymous: ['housing:read'] })
  await addHouses(1)
  const page = await openPage({ viewport: { width: 640, height: 800 } })
  watch(page, home)
  await page.goto(`${home}?house=1`)
  await field(page, 'Street').fill('Key Street')
  await button(page, 'Save').click()
  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.getByLabel('API key').fill(key)
  await button(page, 'Sign in').click()
  await expect.poll(() => field(page, 'Street').inputValue()).toBe('Key Street')
  await button(page, 'Save').click()
  await reads(page, '735 Key Street changed.')
})

test('two APIs below two prefixes of one origin keep their changes and drafts apart', async () => {
  await post(houses, library)
  const page = await open('?house=1')
  await page.locator('[data-live=true]').waitFor()
  await field(page, 'Street').fill('Draft Street')
  await page.route(`${url}other/**`, (route) => route.continue({ url: route.request().url().replace('/other/', '/') }))
  const stream = page.waitForRequest(/other.*changes/)
  await page.goto(`${url}other/?house=1`)
  await stream
  expect(await field(page, 'Street').inputValue()).toBe(library.street)
  const tab = await page.context().newPage()
  watch(tab)
  const own = tab.waitForRequest(/\/changes/) // it does not wait for the lock of the other API
  await tab.goto(url)
  await own
})

test('keys that are turned off can be turned on again', async () => {
  const page = await open('?house=new')
  await button(page, 'Keyboard').click()
  await page.getByLabel('Use these keys').uncheck()
  await button(page, 'Close').first().click()
  await page.keyboard.press('n')
  await button(page, 'Keyboard').click()
  await page.getByLabel('Use these keys').check()
  await expect.poll(() => page.evaluate('localStorage.getItem("keys")')).toBe('on')
})

test('the focus goes back to what opened a panel; a notice stands in a region that is always there', async () => {
  await post(houses, library)
  const page = await open()
  await rows(page).first().waitFor()
  expect(await page.evaluate('getComputedStyle(document.querySelector(".page > [role=status]")).display')).toBe('block')
  for (const name of ['Types', 'Import', 'Add a house']) {
    await page.getByRole('link', { name }).click()
    await page.locator('.panel').waitFor()
    await page.keyboard.press('Escape')
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe(name)
  }
})

test('the form for a type is empty after it was added; types that cannot be loaded are an error', async () => {
  const page = await open('?view=types')
  await page.getByLabel('Code: three letters').fill('tnh')
  await page.getByLabel('Name', { exact: true }).fill('Town House')
  await button(page, 'Add a type').click()
  await reads(page, 'Town House added.')
  await expect.poll(() => page.getByLabel('Code: three letters').inputValue()).toBe('')
  await page.route(/housing-types/, (route) =>
    route.fulfill({ status: 403, json: { code: 'forbidden', detail: 'No.' } }),
  )
  await page.reload()
  await page.locator('.panel .failure').waitFor()
})

test('markup in a name is text, and an id that cannot be one is reported', async () => {
  await post(houses, { ...library, street: '<img src=x onerror=alert(1)>' })
  const page = await open('?house=1&tab=history')
  await page.locator('.history li').waitFor()
  expect(await page.locator('main img').count()).toBe(0)
  for (const id of ['0', '-1', 'abc', '1e9', '1e99']) {
    await page.goto(`${url}?house=${id}`)
    await page.locator('.panel').locator('.failure, .empty').waitFor()
  }
  for (const place of [`q=${'x'.repeat(200)}`, 'sort=x', 'updated_since=x', `city=${'x'.repeat(60)}`]) {
    await page.goto(`${url}?${place}`)
    await page.locator('.list').locator('.failure, .empty').first().waitFor()
  }
})

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']
interface Axe {
  violations: { id: string; nodes: { html: string }[] }[]
}
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

test.each([
  ['wide, light', {}],
  ['wide, dark', { colorScheme: 'dark' }],
  ['narrow, dark', { viewport: { width: 320, height: 640 }, colorScheme: 'dark' }],
  ['zoomed to 200 %', { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 }],
  ['forced colours and reduced motion', { forcedColors: 'active', reducedMotion: 'reduce' }],
] as [string, BrowserContextOptions][])('every view is accessible and fits its window: %s', async (_, options) => {
  const page = await open('', options)
  const isFine = async (where: string) => {
    // its own script, past the policy of the page
    await page.evaluate(axe)
    const { violations } = await page.evaluate<Axe>(`axe.run({ runOnly: ${JSON.stringify(rules)} })`)
    expect(
      violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`),
      where,
    ).toEqual([])
    const over = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth')
    expect(over, `${where} is wider than the window`).toBeLessThanOrEqual(0)
  }
  await page.locator('.welcome').waitFor()
  await isFine('empty')
  await page.getByRole('link', { name: 'Add a house' }).first().click()
  await page.locator('#street').waitFor()
  await isFine('empty, with a new house')
  await page.goto(url)
  await page.locator('.welcome').waitFor()
  await addHouses(3)
  await patch(`${houses}/2`, { street: `${'Donaudampfschifffahrts'.repeat(2)}` }, any)
  for (const [place, shown] of [
    ['', '[data-row]'],
    ['?q=nowhere&city=x&updated_since=2026-01-01T00:00:00Z', '.empty'],
    ['?house=2', '#street'],
    ['?house=2&tab=history', '.history li'],
    ['?house=99', '.empty'],
    ['?house=new', '#street'],
    ['?view=types', '.types li'],
    ['?view=import', '.drop'],
    ['?view=sign-in', '.welcome'],
  ] as const) {
    await page.goto(url + place)
    await page.locator(shown).first().waitFor()
    await isFine(place)
  }
  await page.goto(`${url}?house=2`)
  await field(page, 'Postal code').fill('x')
  await button(page, 'Save').click()
  await page.locator('.fault').waitFor()
  await isFine('fault')
  await field(page, 'Postal code').fill('V8V 9Z9')
  await patch(`${houses}/2`, { postal_code: 'V8V 1A1' }, any)
  await button(page, 'Save').click()
  await page.locator('.conflict').waitFor()
  await isFine('conflict')
  await button(page, 'Save this').click()
  await notice(page).getByText('changed').waitFor()
  await isFine('notice')
  await page.goto(url)
  await page.getByText('Type', { exact: true }).first().click()
  await isFine('filter')
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await isFine('help')
})

test('what stands side by side does so: the filters beside a house, and the header on a phone', async () => {
  await addHouses(100)
  const middle = async (page: Page, selector: string) => {
    const { y, height } = (await page.locator(selector).boundingBox()) as { y: number; height: number }
    return Math.round(y + height / 2)
  }
  const page = await open('?house=1')
  await page.getByText('100 houses', { exact: true }).waitFor()
  expect(await middle(page, '.export summary')).toBe(await middle(page, '#search'))
  expect(await middle(page, '[data-closes]')).toBe(await middle(page, '#panel-title'))

  const phone = await open('?house=1', { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true })
  await phone.locator('#street').waitFor()
  expect(await middle(phone, '.live')).toBe(await middle(phone, 'h1'))
  const panel = await phone.locator('.panel').boundingBox()
  expect((panel?.y ?? 0) + (panel?.height ?? 0)).toBe(844)
})

test('the page weighs at most 25 KB, compressed', () => {
  const folder = new URL('../dist/page/', import.meta.url)
  const html = readFileSync(new URL('index.html', folder), 'utf8')
  const files = [...html.matchAll(/"page\/([^"]+)"/g)].map(([, name = '']) => name)
  expect(files.map((name) => name.replace(/-\w+\./, '.')).sort()).toEqual(['main.js', 'page.css'])
  const weights = ['index.html', ...files].map((name) => gzipSync(readFileSync(new URL(name, folder))).length)
  expect(weights.reduce((sum, weight) => sum + weight)).toBeLessThanOrEqual(25_000)
  expect(statSync(new URL('index.html', folder)).size).toBeLessThan(2000)
})
