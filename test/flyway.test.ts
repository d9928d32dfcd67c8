import { execFile, spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeEach, expect, test } from 'vitest'
import type { ServerSettings } from '../src/config.ts'
import { openDatabase } from '../src/database/open.ts'
import { bringUpOnce } from '../src/migrations/bring-up.ts'
import { readMigrations } from '../src/migrations/files.ts'
import { ownDatabase } from './support/api.ts'
import { catalog, history, makePredecessor } from './support/catalog.ts'

const cwd = fileURLToPath(new URL('..', import.meta.url))
const command = process.env.FLYWAY || 'flyway'
const absent = spawnSync('sh', ['-c', 'command -v "$0"', command]).status !== 0
beforeEach(({ skip }) => skip(absent, 'the real Flyway is needed: put flyway on the PATH, or name it by FLYWAY'))

const { settings, drop } = await ownDatabase()
const { host, port, database: name, user, password } = settings as ServerSettings
const database = await openDatabase(settings)
afterAll(async () => {
  await database.close()
  await drop()
})

/** Runs these Flyway commands in one go; rejects with its output where it fails. */
async function flyway(...commands: string[]): Promise<void> {
  const args = [
    `-url=jdbc:postgresql://${host}:${port}/${name}`,
    `-user=${user}`,
    `-password=${password}`,
    '-defaultSchema=housing',
    '-locations=filesystem:db/migrations',
  ]
  await promisify(execFile)(command, [...args, ...commands], { cwd })
}

async function ours(): Promise<string[]> {
  const said: string[] = []
  await bringUpOnce(database, readMigrations(), { report: (line) => said.push(line) })
  return said
}

const query = (sql: string) => database.withClient(async (client) => (await client.query(sql)).rows)
const state = async () => ({ schema: await database.withClient(catalog), history: await database.withClient(history) })
const emptied = () => query('drop schema if exists housing cascade')

await emptied()
await ours()
const expected = await state()

test('Flyway goes first: our runner finds nothing to do, and would have left the same', async () => {
  await emptied()
  await flyway('migrate', 'validate')
  expect(await ours()).toEqual([])
  expect(await state()).toEqual(expected)
}, 120_000)

test('ours goes first: Flyway finds nothing to do, and all of it valid', async () => {
  await emptied()
  await ours()
  await flyway('migrate', 'validate')
  expect(await state()).toEqual(expected)
}, 120_000)

test('both at once on a new database leave what one alone would', async () => {
  await emptied()
  const running = flyway('migrate', 'validate')
  const connected = "select from pg_stat_activity where datname = current_database() and application_name like '%JDBC%'"
  await Promise.race([
    running,
    (async () => {
      while ((await query(connected)).length === 0) await sleep(10)
    })(),
  ])
  await Promise.all([ours(), running])
  expect(await state()).toEqual(expected)
}, 120_000)

test('a database of the Python version goes on with Flyway after its repair, and then with ours', async () => {
  await emptied()
  await database.withClient((client) => makePredecessor(client, { schemaByFlyway: true }))
  await flyway('repair', 'migrate', 'validate')
  expect(await ours()).toEqual([])
  expect(await state()).toEqual(expected)
  expect(await query('select id, version from housing.housing order by id')).toEqual([
    { id: 1, version: 1 },
    { id: 2, version: 1 },
  ])
}, 120_000)
