// Screenshots of each view of the page, wide and narrow, light and dark, in screenshots/ (npm run screenshots). Needs
// Chromium. One of them becomes docs/page.png, that of the README. The views are those of a registry with demo data, on a
// new embedded database.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { launch } from '../test/support/chromium.ts'

const folder = 'screenshots'
const screens = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true },
}

type Views = Record<string, (page: Page, url: string) => Promise<unknown>>

/** The views of a registry with houses, in an order in which one leads to the other. */
const views: Views = {
  list: (page, url) => page.goto(url),
  search: (page, url) => page.goto(`${url}?q=st&housing_type=SFD&sort=-updated_at`),
  filter: async (page, url) => {
    await page.goto(url)
    await page.getByText('Type', { exact: true }).first().click()
  },
  export: async (page, url) => {
    await page.goto(url)
    await page.getByText('Export', { exact: true }).click()
  },
  'nothing found': (page, url) => page.goto(`${url}?q=nowhere`),
  house: async (page, url) => {
    await page.goto(`${url}?house=12`)
    await page.locator('#street').waitFor()
  },
  edit: async (page, url) => {
    await page.goto(`${url}?house=14`)
    await page.locator('#postal_code').fill('not one')
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('.fault').waitFor()
  },
  conflict: async (page, url) => {
    await page.goto(`${url}?house=16`)
    await page.locator('#street').fill('An Extraordinarily Long Street That Goes On and On')
    await page.evaluate(() =>
      fetch('api/v2/housing/16', {
        method: 'PATCH',
        headers: { 'content-type': 'application/merge-patch+json', 'if-match': '*' },
        body: JSON.stringify({ street: `Other Street ${Math.floor(Math.random() * 1000)}`, city: 'Kelowna' }),
      }),
    )
    await page.getByRole('button', { name: 'Save' }).click()
    await page.locator('.conflict').waitFor()
  },
  changed: async (page, url) => {
    await page.goto(`${url}?house=12`)
    await page.locator('#address').fill(`${Math.floor(Math.random() * 1000)}`)
    await page.getByRole('button', { name: 'Save' }).click()
    await page.getByRole('button', { name: 'Undo' }).waitFor()
  },
  elsewhere: async (page, url) => {
    await page.goto(url)
    await page.locator('[data-live=true]').waitFor()
    await page.locator('[data-row]').first().waitFor()
    const send = (path: string, method: string, house: object) =>
      fetch(`${url}api/v2/housing${path}`, {
        method,
        headers: { 'content-type': 'application/json', 'if-match': '*' },
        body: JSON.stringify(house),
      })
    const address = `${Math.floor(Math.random() * 1000)}`
    await send('/3', 'PATCH', { address })
    await send('', 'POST', {
      address,
      street: 'Elm Street',
      city: 'Guelph',
      postal_code: 'N1G 2W1',
      housing_type: 'SFD',
    })
    await page.locator('.changed').waitFor()
    await page.locator('.fresh').waitFor()
  },
  history: async (page, url) => {
    await page.goto(`${url}?house=12&tab=history`)
    await page.locator('.history li').first().waitFor()
  },
  add: (page, url) => page.goto(`${url}?house=new`),
  import: async (page, url) => {
    await page.goto(`${url}?view=import`)
    const rows =
      'address,street,city,postal_code,housing_type\n1,Main Street,Victoria,V8V 1A1,SFD\n2,Oak Street,,V8V,XXX\n'
    const file = { name: 'houses.csv', mimeType: 'text/csv', buffer: Buffer.from(rows) }
    await page.locator('input[type=file]').setInputFiles(file)
    await page.locator('.faults').waitFor()
  },
  types: (page, url) => page.goto(`${url}?view=types`),
  'sign in': (page, url) => page.goto(`${url}?view=sign-in`),
  keys: async (page, url) => {
    await page.goto(url)
    await page.keyboard.press('?')
  },
}

const data = mkdtempSync(join(tmpdir(), 'sample-api-'))
const { PATH = '', HOME = '' } = process.env
const program = spawn(process.execPath, ['dist/main.js'], {
  env: { PATH, HOME, PORT: '0', DATA_DIR: join(data, 'data') },
  stdio: ['ignore', 'pipe', 'inherit'],
})
let log = ''
for await (const text of program.stdout.setEncoding('utf8')) {
  log += text
  if (log.includes('Ready: ')) break
}
const url = `${/listens on (http:\S+);/.exec(log)?.[1]}/`

mkdirSync(folder, { recursive: true })
const browser = await launch()
try {
  await shoot({ empty: (page, url) => page.goto(url) })
  const page = await browser.newPage()
  await page.goto(url)
  await page.getByRole('button', { name: 'Look around' }).click()
  await page.locator('[data-row]').first().waitFor()
  await page.close()
  await shoot(views)
} finally {
  await browser.close()
  program.kill('SIGINT')
  await once(program, 'close')
  rmSync(data, { recursive: true })
}

/** Takes a picture of each view on each screen, in light and in dark, once all of it is loaded. */
async function shoot(views: Views): Promise<void> {
  for (const [screen, options] of Object.entries(screens))
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await browser.newPage({ ...options, colorScheme, reducedMotion: 'reduce' })
      for (const [view, go] of Object.entries(views)) {
        await go(page, url)
        await page.waitForLoadState('load')
        await page.locator(':is([data-row], .welcome, .panel, .empty a):visible').first().waitFor()
        await page.getByText('Loading …', { exact: true }).waitFor({ state: 'detached' })
        await page.locator('.found [role=status]:empty').waitFor({ state: 'detached' })
        const image = await page.screenshot({
          path: `${folder}/${view.replace(' ', '-')}-${screen}-${colorScheme}.png`,
        })
        if (view === 'changed' && screen === 'desktop' && colorScheme === 'light') writeFileSync('docs/page.png', image)
      }
      await page.close()
    }
}
