import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startApi } from './support/api.ts'

const cwd = fileURLToPath(new URL('..', import.meta.url))
const run = (tool: string, ...args: string[]) => promisify(execFile)(`node_modules/.bin/${tool}`, args, { cwd })

const { app } = await startApi()

test('a client generated from the contract compiles and works', async () => {
  await run('openapi-typescript', 'openapi.json', '--output', 'test/client/contract.ts')
  await expect(run('tsc', '-p', 'test/client').catch(({ stdout }) => stdout)).resolves.toMatchObject({ stdout: '' })
  const { program } = await import(new URL('client/program.ts', import.meta.url).href) // its types are generated above
  expect(await program(await app.listen({ port: 0, host: '127.0.0.1' }))).toEqual({
    seen: ['V8W 3H2'],
    version: 2,
    refused: 'precondition-failed',
    currentVersion: 2,
    imported: { received: 1, created: 0, updated: 1, unchanged: 0, rejected: 0, errors: [] },
    deleted: 204,
  })
}, 120_000)
