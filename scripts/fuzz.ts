// Starts a server on a new embedded database and runs Schemathesis (a Python package) against it, with requests that
// openapi.json allows and many that it does not. Arguments are passed on: npm run fuzz -- --seed 42
import { type ChildProcess, fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from '../test/support/postgres.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const python = join(root, 'node_modules/.cache/schemathesis')
const pinned = 'schemathesis==4.32.5'

const env = { ...process.env, SCHEMATHESIS_HOOKS: join(root, 'scripts/fuzz_hooks.py') }
const run = (command: string, args: string[], cwd = root) =>
  spawnSync(command, args, { stdio: 'inherit', cwd, env }).status ?? 1

function install(): void {
  if (existsSync(join(python, 'bin/st'))) return
  if (run('python3', ['-m', 'venv', python]) + run(join(python, 'bin/pip'), ['install', '--quiet', pinned]) === 0)
    return
  throw new Error(`Cannot install ${pinned}: this needs Python 3.10 or newer, with venv and pip.`)
}

async function serve(folder: string): Promise<{ url: string; server: ChildProcess }> {
  const PORT = String(await freePort())
  const server = fork(join(root, 'dist/main.js'), {
    env: { PATH: process.env.PATH, PORT, DATA_DIR: folder, LOG_LEVEL: 'error' },
  })
  const url = `http://127.0.0.1:${PORT}`
  while (!(await fetch(`${url}/readyz`).catch(() => undefined))?.ok) {
    if (server.exitCode !== null) throw new Error('The server did not start.')
    await sleep(100)
  }
  return { url, server }
}

install()
const folder = mkdtempSync(join(tmpdir(), 'sample-api-fuzz-'))
const { url, server } = await serve(join(folder, 'data'))
const config = ['--config-file', join(root, 'scripts/schemathesis.toml')]
process.exitCode = run(
  join(python, 'bin/st'),
  [...config, 'run', `${url}/openapi.json`, '--checks', 'all', ...process.argv.slice(2)],
  python, // where Schemathesis may keep its own files
)
server.kill()
await once(server, 'exit')
rmSync(folder, { recursive: true })
