import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { chromium } from 'playwright-core'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { startApi } from './support/api.ts'

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

const names = ['chromium', 'chromium-browser', 'google-chrome']
const folders = (process.env.PATH ?? '').split(delimiter)
const executablePath = names.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync)
const isRequired = process.env.CI === 'true'
beforeEach(({ skip }) => skip(!executablePath && !isRequired, 'Chromium is needed: put chromium on the PATH'))

const { app } = await startApi()
const url = await app.listen({ port: 0, host: '127.0.0.1' })

test('the page at /docs shows both versions and tries them out, without requests to other hosts', async () => {
  if (!executablePath) throw new Error('CI=true demands this test, and there is no chromium on the PATH')
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
  const browser = await chromium.launch({ executablePath, args })
  onTestFinished(() => browser.close())
  const page = await browser.newPage()
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
