import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parse } from 'csv-parse/sync'
import { expect, onTestFinished, test } from 'vitest'
import { serve } from '../support/program.ts'

const texts = [
  ...[
    '735',
    'Métis Crescent',
    '漢字 😀',
    'say "x"',
    'a, b',
    'a;b',
    'two\nlines',
    'ends with a blank ',
    ' begins with one',
  ],
  ...[
    '=1+1',
    '+1',
    '-1',
    '@x',
    '-12,5',
    "'",
    "'quoted'",
    '=cmd|" /C calc"!A0',
    '=HYPERLINK("http://x")',
    '#N/A',
    '\\N',
    'TRUE',
  ],
]

/** Opens a file in LibreOffice, and saves it in another format. */
async function saved(file: string, format: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sample-api-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const profile = `-env:UserInstallation=file://${folder}/profile`
  const csv = '44,34,76,1' // comma, double quote, UTF-8, from line 1
  const filter = format === 'csv' ? `csv:Text - txt - csv (StarCalc):${csv}` : format
  const args = ['--headless', profile, `--infilter=CSV:${csv}`, '--convert-to', filter, '--outdir', folder, file]
  await promisify(execFile)('soffice', format === 'csv' ? args.filter((arg) => !arg.startsWith('--infilter')) : args)
  return join(folder, `houses.${format}`)
}

test('LibreOffice shows an export as it is stored, and what it saves can be imported', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sample-api-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const { url } = await serve({ env: { DATA_DIR: join(folder, 'data') } })
  const house = { address: '1', street: 'x', postal_code: 'V8W 1P6', housing_type: 'SFD' }
  const importing = async (body: string, type: string) => {
    const answer = await fetch(`${url}/api/v2/housing/import?on_error=skip`, {
      method: 'POST',
      headers: { 'content-type': type },
      body,
    })
    return (await answer.json()) as Record<string, number>
  }
  const lines = texts.map((city) => JSON.stringify({ ...house, city: city.replace('\n', ' ').trim() }))
  expect(await importing(lines.join('\n'), 'application/x-ndjson')).toMatchObject({
    created: texts.length,
    rejected: 0,
  })

  const exported = await (await fetch(`${url}/api/v2/housing/export?format=csv`)).text()
  const file = join(folder, 'houses.csv')
  await writeFile(file, exported)
  const back = await readFile(await saved(await saved(file, 'xlsx'), 'csv'), 'utf8')
  expect(parse(back)).toEqual(parse(exported))
  expect(await importing(back, 'text/csv')).toMatchObject({ unchanged: texts.length, rejected: 0 })
  const edited = back.replace('Métis', 'Maple')
  expect(await importing(edited, 'text/csv')).toMatchObject({ updated: 1, unchanged: texts.length - 1 })
})
