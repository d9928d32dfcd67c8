import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { settings } from '../src/config/settings.ts'
import { startApi } from './support/api.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const readme = readFileSync(`${root}/README.md`, 'utf8')
const { app } = await startApi()

test('the curl session in the README gives the answers that it shows', async () => {
  let replayed = 0
  const url = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  for (const [, block = ''] of readme.matchAll(/```console\n(.*?)```/gs))
    for (const [, command = '', said] of block.matchAll(/^\$ (.*?)\n([^$ ].*?)\n(?=\$|$(?!.))/gms)) {
      const { stdout } = await promisify(execFile)('sh', ['-c', command.replaceAll('localhost:3000', url.host)])
      replayed += 1
      expect(withoutLuck(stdout), command).toBe(withoutLuck(said as string))
    }
  expect(replayed).toBe(6)
})

/** Times and request ids differ each time. */
const withoutLuck = (text: string) =>
  text
    .trim()
    .replace(/"\d{4}-\d\d-\d\dT[^"]*"/g, '"<time>"')
    .replace(/"request_id":"[^"]*"/g, '"request_id":"…"')

test('the table of settings in the README lists what the program reads', () => {
  const rows = Object.entries(settings).map(([name, { default: value, meaning }]) => {
    return `| \`${name}\` | ${value === '' ? '–' : `\`${value}\``} | ${meaning} |`
  })
  expect(readme).toContain(`| Variable | Default | Meaning |\n|---|---|---|\n${rows.join('\n')}\n\n`)
})

test('every file that the documents name exists', () => {
  const papers = [
    'README',
    'ARCHITECTURE',
    'CONTRIBUTING',
    'SECURITY',
    'CHANGELOG',
    'docs/containers',
    'docs/moving-from-python',
    'docs/operating',
  ]
  for (const paper of papers.map((name) => `${name}.md`)) {
    const text = readFileSync(`${root}/${paper}`, 'utf8')
    const named = [...text.matchAll(/\]\(([\w./-]+)\)|`((?:src|test|db|bench|scripts|docs)\/[\w./-]*\w)`/g)].map(
      ([, a, b]) => a ?? b,
    )
    for (const file of named) expect(() => readFileSync(`${root}/${file}`), `${paper}: ${file}`).not.toThrow(/ENOENT/)
  }
})
