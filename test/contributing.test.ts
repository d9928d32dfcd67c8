import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))
const copy = await mkdtemp(join(tmpdir(), 'sample-api-'))
afterAll(() => rm(copy, { recursive: true }))

const run = (tool: string, ...args: string[]) =>
  promisify(execFile)(join(root, 'node_modules/.bin', tool), args, { cwd: copy, env: { ...process.env, CI: '' } }).then(
    () => '',
    ({ stdout, stderr }) => stdout + stderr,
  )

test('the resource that CONTRIBUTING.md adds compiles, is in style and passes its tests', async () => {
  for (const part of [
    'src',
    'client',
    'page',
    'db',
    'test',
    'bench',
    'scripts',
    'package.json',
    'package-lock.json',
    'tsconfig.json',
  ])
    await cp(join(root, part), join(copy, part), { recursive: true })
  for (const file of ['vitest.config.ts', 'biome.json']) await cp(join(root, file), join(copy, file))
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))

  const guide = await readFile(join(root, 'CONTRIBUTING.md'), 'utf8')
  const blocks = [...guide.matchAll(/^```(\w+) (\S+)\n(.*?)^```$/gms)]
  expect(blocks.map(([, , path]) => path)).toContain('src/owners/routes.ts')
  for (const [, language, path = '', text = ''] of blocks) {
    const file = join(copy, path.replace(/V[\d.]+__/, 'V999__')) // whatever the next version is by now
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, language === 'diff' ? applyDiff(await readFile(file, 'utf8'), text) : text)
  }

  const biome = (...args: string[]) => run('biome', 'check', '--vcs-enabled=false', '--error-on-warnings', ...args)

  await biome('--write', 'src/server.ts') // sorts the import in, as npm run fix does
  expect(await run('tsc')).toBe('')
  expect(await biome('src/owners', 'src/server.ts')).toBe('')
  expect(
    await run(
      'vitest',
      'run',
      '--project=embedded',
      '--project=server',
      '--project=program',
      'src/owners',
      'test/architecture',
    ),
  ).toBe('')
  const routes = blocks.find(([, , path]) => path === 'src/owners/routes.ts')?.[3]
  expect(routes?.split('\n').length).toBeLessThan(100)
}, 240_000)

/** Puts each added line after the line before it. */
function applyDiff(source: string, diff: string): string {
  const lines = diff.split('\n').slice(0, -1)
  return lines.reduce((text, line, i) => {
    if (!line.startsWith('+')) return text
    const before = lines[i - 1]?.slice(1) ?? ''
    expect(text).toContain(`${before}\n`)
    return text.replace(before, `${before}\n${line.slice(1)}`)
  }, source)
}
