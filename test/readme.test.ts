import { execFile, spawn } from 'node:child_process'
import { on } from 'node:events'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { settings } from '../src/config/settings.ts'
import { startApi } from './support/api.ts'
import { onServer, temporaryFolder } from './support/places.ts'
import { serve } from './support/program.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const paper = (name: string) => readFileSync(join(root, name), 'utf8')
const readme = paper('README.md')
const { app } = await startApi()

test('the sessions and programs in the README, in files.md and in changes.md print what they show', async () => {
  const url = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))
  expect(await replay('README.md', url.host)).toBe(4)
  const inside = (text: string) => text.replaceAll('localhost:3000', url.host)
  for (const [language, comment, program] of [
    ['js', '//', [process.execPath, '--input-type=module', '-e']],
    ['python', '#', ['python3', '-c']],
  ] as const) {
    const [, text = ''] = new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 's').exec(readme) ?? []
    const shown = [...text.matchAll(new RegExp(` ${comment} (.*)`, 'g'))].map(([, printed]) => `${printed}\n`)
    const [file, ...args] = program
    const { stdout } = await promisify(execFile)(file, [...args, inside(text)])
    expect(stdout, language).toBe(shown.join(''))
  }
  expect(await replay('docs/files.md', url.host, { cwd: await temporaryFolder() })).toBe(3)
  expect(await replay('docs/changes.md', url.host)).toBe(1)
})

test('the session with an API key in access.md gives the answers that it shows', async () => {
  const { env } = await onServer()
  const { port } = await serve({ env: { ...env, AUTH: 'keys' } })
  expect(await replay('docs/access.md', `localhost:${port}`, { env })).toBe(6)
})

/** Runs the commands of a paper in one shell, and compares what they print. Answers how many there were. */
async function replay(name: string, host: string, { env = {}, cwd = root } = {}): Promise<number> {
  const blocks = [...paper(name).matchAll(/```console\n(.*?)```/gs)].map(([, block = '']) => block)
  const steps = blocks.flatMap((block) => [...block.matchAll(/^\$ (.*?)\n([^$ ].*?)\n(?=\$|$(?!.))/gms)])
  const shell = spawn('sh', { cwd, env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'inherit'] })
  onTestFinished(() => void shell.kill())
  shell.stdin.write('exec 2>&1\n')
  const ids = new Map<string, string>()
  for (const [, command = '', said = ''] of steps) {
    let text = command.replaceAll('localhost:3000', host)
    for (const [shown, real] of ids) text = text.replaceAll(shown, real)
    shell.stdin.write(`${text}\necho; echo ---end---\n`)
    let printed = ''
    for await (const [chunk] of on(shell.stdout, 'data')) {
      printed += chunk
      if (printed.endsWith('---end---\n')) break
    }
    expect(withoutLuck(printed.replace(/---end---\n$/, '')), command).toBe(withoutLuck(said))
    const [shown, real] = [said, printed].map((text) => /\bid +([0-9a-f]{8})\b/.exec(text)?.[1])
    if (shown && real) ids.set(shown, real)
  }
  return steps.length
}

/** Times, request ids and the ids of keys differ each time. */
const withoutLuck = (text: string) =>
  text
    .trim()
    .replace(/"\d{4}-\d\d-\d\dT[^"]*"/g, '"<time>"')
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d UTC/g, '<time>')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<import>')
    .replace(/"request_id":"[^"]*"/g, '"request_id":"…"')
    .replace(/\b[0-9a-f]{8}\b/g, '<id>')

test('docs/settings.md lists what the program reads, and the README some of it in the same words', () => {
  const rows = Object.entries(settings).map(([name, { default: value, meaning }]) => {
    return `| \`${name}\` | ${value === '' ? '–' : `\`${value}\``} | ${meaning} |`
  })
  const tableOf = (text: string) =>
    /^\| Variable \| Default \| Meaning \|\n\|---\|---\|---\|\n((?:\|.*\n)+)/m.exec(text)?.[1]
  expect(tableOf(paper('docs/settings.md'))).toBe(`${rows.join('\n')}\n`)
  const few = tableOf(readme)?.trim().split('\n') ?? []
  expect(few.length).toBeGreaterThan(0)
  expect(few.filter((row) => !rows.includes(row))).toEqual([])
})

test('every file that the documents name exists', () => {
  const papers = [
    'README',
    'ARCHITECTURE',
    'CONTRIBUTING',
    'SECURITY',
    'CHANGELOG',
    'client/README',
    'docs/access',
    'docs/api',
    'docs/asvs',
    'docs/backup',
    'docs/changes',
    'docs/containers',
    'docs/faults',
    'docs/files',
    'docs/moving-from-python',
    'docs/operating',
    'docs/runbook',
    'docs/settings',
  ]
  for (const paper of papers.map((name) => `${name}.md`)) {
    const text = readFileSync(`${root}/${paper}`, 'utf8')
    const named = [...text.matchAll(/\]\(([\w./-]+)\)|`((?:src|client|test|db|bench|scripts|docs)\/[\w./-]*\w)`/g)].map(
      ([, link, file = '']) => (link ? join(dirname(paper), link) : file),
    )
    for (const file of named) expect(() => readFileSync(`${root}/${file}`), `${paper}: ${file}`).not.toThrow(/ENOENT/)
  }
})
