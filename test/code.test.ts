import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const cwd = fileURLToPath(new URL('..', import.meta.url))
const run = (tool: string, ...args: string[]) =>
  promisify(execFile)(`node_modules/.bin/${tool}`, args, { cwd }).then(
    () => '',
    ({ stdout, stderr }) => stdout + stderr,
  )

test('the types are correct', async () => {
  expect(await run('tsc')).toBe('')
  expect(await run('tsc', '-p', 'client', '--noEmit')).toBe('')
}, 120_000)

test('style and format are correct (npm run fix fixes most)', async () =>
  expect(await run('biome', 'check', '--error-on-warnings')).toBe(''))
