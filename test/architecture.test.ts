import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const src = fileURLToPath(new URL('../src', import.meta.url))
const files = (readdirSync(src, { recursive: true }) as string[]).filter((file) => /(?<!\.test)\.ts$/.test(file))
const source = (file: string) => readFileSync(join(src, file), 'utf8')

/** A folder with routes is a resource; version 1 stands above them. */
const resources = readdirSync(src).filter((folder) => folder !== 'v1' && files.includes(`${folder}/routes.ts`))

/** From the ground up. Imports go down, or stay in the room; rooms of one floor do not know each other. */
const floors = [
  ['config', 'metrics.ts', 'root.ts', 'tracing.ts'],
  ['log.ts', 'version.ts'],
  ['database'],
  ['migrations'],
  ['contract', 'backup'],
  ['http', 'idempotency'],
  ['access'],
  ['pages', ...resources],
  ['v1'],
  ['server.ts'],
  ['commands'],
  ['main.ts'],
]
const room = (file: string) => file.split('/')[0] as string
const floor = (file: string) => floors.findIndex((rooms) => rooms.includes(room(file)))

test.each(files)('%s imports only from its own room and lower floors', (file) => {
  expect(floor(file), 'its room is on the map').toBeGreaterThanOrEqual(0)
  for (const [, path = ''] of source(file).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']*)'/g)) {
    const imported = join(dirname(file), path)
    expect(room(imported) === room(file) || floor(imported) < floor(file), `${file} imports ${imported}`).toBe(true)
  }
})

test('the client imports only its own files', () => {
  const folder = fileURLToPath(new URL('../client/src', import.meta.url))
  const texts = readdirSync(folder).map((file) => readFileSync(join(folder, file), 'utf8'))
  const imported = texts.flatMap((text) =>
    [...text.matchAll(/(?:\bfrom|^import) '([^'\n]+)'/gm)].map(([, path]) => path),
  )
  expect(imported).toContain('./contract.ts')
  expect(imported.filter((path) => !/^\.\/[\w-]+\.ts$/.test(path ?? ''))).toEqual([])
})

test('the environment is read in one place', () => {
  expect(files.filter((file) => source(file).includes('process.env'))).toEqual(['main.ts'])
})

test('SQL is written only in database/, in migrations/, and in files named queries, gathered or versioned', () => {
  const writesSql = /\bsql[<`]|\.(selectFrom|insertInto|updateTable|deleteFrom)\(/
  const elsewhere = files.filter(
    (file) => writesSql.test(source(file)) && !/^(database|migrations)\b|(queries|gathered|versioned)\.ts$/.test(file),
  )
  expect(elsewhere).toEqual([])
})

test('no source runs a command, or makes code of text', () => {
  const risky = /child_process|node:vm|\beval\(|\bFunction\(|\beval: true/
  expect(files.filter((file) => risky.test(source(file)))).toEqual([])
})

test('only the embedded Postgres has a thread', () => {
  expect(files.filter((file) => source(file).includes('worker_threads')).sort()).toEqual([
    'database/embedded-postgres.ts',
    'database/embedded-worker.ts',
  ])
})
