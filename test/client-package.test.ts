import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { expect, test } from 'vitest'
import { startApi } from './support/api.ts'
import { temporaryFolder } from './support/places.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const client = join(root, 'client')
const readme = await readFile(join(client, 'README.md'), 'utf8')
const examples = [...readme.matchAll(/```ts\n(.*?)```/gs)].map(([, text = '']) => text)
const { app } = await startApi()

/** Runs a command to its end, and answers its output. Rejects with all of it if the command fails. */
async function run(command: string, args: string[], cwd: string): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd }).catch(({ message, stdout, stderr }) => {
    throw new Error(`${message}\n${stdout}${stderr}`)
  })
  return stdout
}

test('the packed client compiles in an empty folder, and the examples of its README print what they show', async () => {
  const folder = await temporaryFolder()
  const [{ filename, files }] = JSON.parse(await run('npm', ['pack', '--json', '--pack-destination', folder], client))
  expect(files.map(({ path }: { path: string }) => path)).toEqual(
    expect.arrayContaining(['LICENSE', 'README.md', 'dist/index.js', 'dist/index.d.ts', 'package.json']),
  )
  await writeFile(join(folder, 'package.json'), '{ "type": "module", "private": true }')
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', filename], folder)

  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const [begin = '', ...others] = examples.map((text) => text.replace('http://localhost:3000', url))
  expect(others).toHaveLength(10)
  for (const [i, text] of others.entries()) await writeFile(join(folder, `example${i}.ts`), `${begin}\n${text}`)
  await compiles(folder, { module: 'node16', types: ['node'] })
  await compiles(folder, { module: 'esnext', moduleResolution: 'bundler', types: ['node'], lib: ['es2022', 'dom'] })

  const house = {
    address: '1',
    street: 'Centennial Square',
    city: 'Victoria',
    postal_code: 'V8W 1P6',
    housing_type: 'COP',
  }
  await app.inject({ method: 'POST', url: '/api/v2/housing', payload: house })
  for (const [i, text] of others.entries())
    expect(await run(process.execPath, [`example${i}.js`], folder), text).toBe(printed(text))
}, 300_000)

test('programs for browsers compile without the types of Node', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'node_modules/@sample-api/client'), { recursive: true })
  await run('npx', ['tsc', '-p', client, '--outDir', join(folder, 'node_modules/@sample-api/client/dist')], root)
  await writeFile(
    join(folder, 'node_modules/@sample-api/client/package.json'),
    await readFile(join(client, 'package.json'), 'utf8'),
  )
  await writeFile(
    join(folder, 'program.ts'),
    `import { NetworkError, Problem, SampleApi, type Housing, type ProblemCode } from '@sample-api/client'
    const api = new SampleApi()
    const titles: { [Code in ProblemCode]?: string } = { 'rows-rejected': 'Rows', 'unexpected-answer': 'Proxy' }
    export async function save(house: Housing, file: File): Promise<string | undefined> {
      try {
        const { city } = await api.housing.patch(house, { city: 'Victoria' }, { signal: AbortSignal.timeout(1000) })
        const { rejected } = await api.housing.import(file, { type: 'text/csv' })
        return city + rejected.toFixed()
      } catch (error) {
        if (error instanceof NetworkError) return 'offline'
        if (!(error instanceof Problem)) throw error
        // @ts-expect-error: there is no such code
        if (error.code === 'no-such-code') return undefined
        return titles[error.code]
      }
    }
    // @ts-expect-error: there is no such filter
    api.housing.list({ colour: 'red' })
    // @ts-expect-error: a change names its version
    api.housing.patch({ id: 1 }, {})`,
  )
  await compiles(folder, { module: 'esnext', moduleResolution: 'bundler', types: [], lib: ['es2022', 'dom'] })
}, 120_000)

test('in a bundle, the client weighs at most 6 KB, compressed', async () => {
  const { outputFiles } = await build({
    entryPoints: [join(client, 'src/index.ts')],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
  })
  expect(gzipSync(outputFiles[0]?.contents ?? '').length).toBeLessThan(6 * 1024)
})

/** Checks the programs of a folder, with all that they import. */
async function compiles(folder: string, options: object): Promise<void> {
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    target: 'es2022',
    typeRoots: [join(root, 'node_modules/@types')],
    ...options,
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder], folder)
}

/** What an example says that it prints: behind `console.log(…)`, or in the lines of comments after it. */
const printed = (text: string) => [...text.matchAll(/(?:\) |^)\/\/ (.*)$/gm)].map(([, line]) => `${line}\n`).join('')
