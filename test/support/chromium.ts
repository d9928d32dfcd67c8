import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type BrowserContextOptions, chromium, type Page } from 'playwright-core'
import { onTestFinished, type TestContext } from 'vitest'

const names = ['chromium', 'chromium-browser', 'google-chrome']
const folders = (process.env.PATH ?? '').split(delimiter)
const executablePath = names.flatMap((name) => folders.map((folder) => join(folder, name))).find(existsSync)

/** For `beforeEach`: skips the test where there is no Chromium; with CI=true it is demanded. */
export function skipWithoutChromium({ skip }: TestContext): void {
  skip(!executablePath && process.env.CI !== 'true', 'Chromium is needed: put chromium on the PATH')
}

/** A new browser. */
export function launch() {
  if (!executablePath) throw new Error('Chromium is needed: put chromium on the PATH')
  const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
  return chromium.launch({ executablePath, args })
}

/** A page of a new browser, which is closed at the end of the test. */
export async function openPage(options: BrowserContextOptions = {}): Promise<Page> {
  const browser = await launch()
  onTestFinished(() => browser.close())
  const context = await browser.newContext(options)
  return context.newPage()
}
