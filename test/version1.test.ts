import { execFile } from 'node:child_process'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { noDatabase, optionsFor } from './support/api.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
/** A copy of the source without version 1, where the packages are found. */
const copy = join(root, 'node_modules/.cache/without-version-1')
const namesIt = /v1\/|[vV]ersion1/

await rm(copy, { recursive: true, force: true })
await mkdir(copy, { recursive: true })
for (const part of ['src', 'db', 'dist/page', 'package.json', 'tsconfig.json'])
  await cp(join(root, part), join(copy, part), {
    recursive: true,
    filter: (path) => !/\.test\.ts$|\/v1(\/|$)/.test(path.slice(root.length)),
  })
afterAll(() => rm(copy, { recursive: true }))

test('version 1 is a folder and two lines: without them all else compiles, and works as before', async () => {
  const server = join(copy, 'src/server.ts')
  const lines = (await readFile(server, 'utf8')).split('\n')
  expect(lines.filter((line) => namesIt.test(line))).toHaveLength(2)
  await writeFile(server, lines.filter((line) => !namesIt.test(line)).join('\n'))
  const include = ['src']
  await writeFile(
    join(copy, 'tsconfig.only-src.json'),
    JSON.stringify({ extends: './tsconfig.json', include, exclude: [] }),
  )
  const tsc = promisify(execFile)(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.only-src.json'], { cwd: copy })
  expect(await tsc.catch(({ stdout }) => ({ stdout }))).toMatchObject({ stdout: '' })

  const { createServer }: typeof import('../src/server.ts') = await import(server)
  const { app } = await createServer(optionsFor(noDatabase))
  expect((await app.inject('/')).json()).toEqual({ message: 'Sample API' })
  expect((await app.inject('/api/v2/housing?limit=0')).json()).toMatchObject({ code: 'invalid-parameter' })
  for (const url of ['/api/v1/housing_type/', '/nothing', '/docs/nothing'])
    expect((await app.inject(url)).json()).toMatchObject({ status: 404, code: 'not-found' })
  const { paths, components } = (await app.inject('/openapi.json')).json()
  expect(Object.keys(paths).filter((path) => path.includes('v1'))).toEqual([])
  expect(Object.keys(components.schemas).filter((name) => name.includes('V1'))).toEqual([])
}, 120_000)
