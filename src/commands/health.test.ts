import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'

const readiness = { schema: { expected: '1.3.0', found: '1.3.0', ready: true }, draining: false }
const { app } = await startApi({ readiness })
const { port } = new URL(await app.listen({ port: 0, host: '127.0.0.1' }))

/** The command's exit code, and what it printed. */
function health(env: NodeJS.ProcessEnv): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const main = fileURLToPath(new URL('../main.ts', import.meta.url))
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      ['--import', 'tsx', main, 'health'],
      { env: { PATH: process.env.PATH, ...env } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    ),
  )
}

test.each(['127.0.0.1', '0.0.0.0', '::'])('health succeeds if an API on %s is ready', async (HOST) => {
  expect(await health({ HOST, PORT: port })).toEqual({
    code: 0,
    stdout: `Ready: http://127.0.0.1:${port}/readyz answers 200\n`,
    stderr: '',
  })
})

test('health fails if the API is not ready, and prints which check failed', async () => {
  readiness.schema.ready = false
  onTestFinished(() => {
    readiness.schema.ready = true
  })
  const { code, stderr } = await health({ PORT: port })
  expect(code).toBe(1)
  expect(stderr).toMatch(
    /^sample-api: Not ready: http:\/\/127\.0\.0\.1:\d+\/readyz answers 503 .*"schema":{"ok":false,"expected":"1\.3\.0","found":"1\.3\.0"}.*\n$/,
  )
})

test('health fails if nothing listens, or nothing answers', async () => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const { port } = silent.address() as { port: number }
  const unanswered = await health({ PORT: `${port}` })
  silent.close()
  expect(unanswered).toMatchObject({ code: 1, stderr: expect.stringContaining('/readyz within 2 s.\n') })
  expect(await health({ PORT: `${port}` })).toMatchObject({ code: 1, stderr: expect.stringContaining('ECONNREFUSED') })
})

test('health has no other exit code, even if the settings are wrong', async () => {
  expect(await health({ PORT: 'x' })).toMatchObject({ code: 1, stderr: expect.stringContaining('PORT is "x"') })
})
