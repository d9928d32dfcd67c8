import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ownDatabase } from './support/api.ts'
import { embedded } from './support/places.ts'
import { run, serve } from './support/program.ts'

vi.setConfig({ testTimeout: 120_000 })

const root = fileURLToPath(new URL('..', import.meta.url))

/** A copy of the checkout as it is now, with the installed packages. */
const cwd = await mkdtemp(join(tmpdir(), 'sample-api-'))
const { stdout } = await promisify(execFile)('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
})
for (const file of stdout.split('\0').filter((name) => name !== '')) {
  await mkdir(dirname(join(cwd, file)), { recursive: true })
  await cp(join(root, file), join(cwd, file)).catch(() => {}) // deleted but not committed yet
}
await symlink(join(root, 'node_modules'), join(cwd, 'node_modules'))
const { url: DATABASE_URL, drop } = await ownDatabase()
afterAll(async () => {
  await rm(cwd, { recursive: true })
  await drop()
})
const env = { DATABASE_URL }

/** The running processes of its group; zombies (state Z) do not count. */
async function left({ pid }: { pid: number }): Promise<string[]> {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-o', 'pgid=,stat=,args='])
  return stdout.split('\n').filter((line) => new RegExp(`^ *${pid} +[^Z ]`).test(line))
}

test('`npm start` builds and serves; SIGTERM to npm ends every process, with exit code 0', async () => {
  const npm = await serve({ program: ['npm', 'start'], cwd, env, group: true })
  expect(npm.output.stderr).toContain('Building')
  expect((await fetch(`${npm.url}/api/v1/housing_type/`)).status).toBe(200)
  process.kill(npm.pid, 'SIGTERM')
  expect(await npm.exit).toBe(0)
  expect(await left(npm)).toEqual([])
})

test('a second `npm start` has nothing to build; Ctrl-C, which reaches npm and the program, ends it with exit code 0', async () => {
  const npm = await serve({ program: ['npm', 'start'], cwd, env, group: true })
  expect(npm.output.stderr).not.toContain('…')
  npm.signal('SIGINT')
  expect(await npm.exit).toBe(0)
  expect(await left(npm)).toEqual([])
  expect(npm.output.stdout.match(/closing/g)).toHaveLength(1)
})

test('`npm run dev` restarts when the source or the page changes, on the same embedded data', async () => {
  const npm = await serve({ program: ['npm', 'run', 'dev'], cwd, ...(await embedded()), group: true })
  const listens = /listens on (http:\S+);/g
  const file = join(cwd, 'src/pages/greeting.ts')
  await writeFile(file, (await readFile(file, 'utf8')).replace("message: 'Sample API'", "message: 'Changed'"))
  await expect.poll(() => npm.output.stdout.match(listens), { timeout: 60_000 }).toHaveLength(2)
  const urls = () => [...npm.output.stdout.matchAll(listens)].map(([, url]) => url)
  expect(await (await fetch(`${urls()[1]}/`)).json()).toEqual({ message: 'Changed' })
  const page = join(cwd, 'page/index.html')
  await writeFile(page, (await readFile(page, 'utf8')).replace('<title>Sample API', '<title>Changed'))
  await expect.poll(urls, { timeout: 60_000 }).toHaveLength(3)
  expect(await (await fetch(`${urls()[2]}/`, { headers: { accept: 'text/html' } })).text()).toContain('Changed')
  npm.signal('SIGINT')
  await npm.exit
  await expect.poll(() => left(npm), { timeout: 20_000 }).toEqual([])
})

describe('the preparation asks npm', () => {
  /** The commands that a stand-in for npm received, and the exit code of the preparation. */
  async function prepare(npmExit = 0) {
    const bin = await mkdtemp(join(tmpdir(), 'sample-api-'))
    onTestFinished(() => rm(bin, { recursive: true }))
    await writeFile(join(bin, 'npm'), `#!/bin/sh\necho "$@" >> ${bin}/asked\nexit ${npmExit}\n`, { mode: 0o755 })
    const path = { PATH: `${bin}:${process.env.PATH}`, NODE_ENV: 'production' }
    const { code } = await run({ program: [process.execPath, 'scripts/prepare.mjs'], cwd, env: path })
    return { code, asked: (await readFile(join(bin, 'asked'), 'utf8').catch(() => '')).split('\n').slice(0, -1) }
  }
  const built = () => utimes(join(cwd, 'dist/main.js'), 4e9, 4e9)
  const sources = [
    'src/main.ts',
    'src',
    'page/main.tsx',
    'client/src/index.ts',
    'package-lock.json',
    'scripts/page.mjs',
  ]

  test('for nothing if everything is up to date', async () => {
    await built()
    expect(await prepare()).toEqual({ code: 0, asked: [] })
  })

  test.each(sources)('to build if %s is newer', async (source) => {
    await built()
    await utimes(join(cwd, source), 4e9 + 1, 4e9 + 1)
    expect(await prepare()).toEqual({ code: 0, asked: ['run --silent build'] })
    expect(await prepare(3)).toEqual({ code: 3, asked: ['run --silent build'] })
    await utimes(join(cwd, source), 1, 1)
  })

  test('to install if the lockfile has changed, with the packages for development even in production', async () => {
    await built()
    const lockfile = join(cwd, 'package-lock.json')
    await writeFile(
      lockfile,
      (await readFile(lockfile, 'utf8')).replace(/("node_modules\/pg": \{\s*"version": ")/, '$19'),
    )
    expect(await prepare()).toEqual({ code: 0, asked: ['ci --include=dev --no-audit --no-fund'] })
    expect(await prepare(7)).toMatchObject({ code: 7 })
  })
})
