import { execFile, spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeEach, expect, test } from 'vitest'
import type { ServerSettings } from '../src/config/database-settings.ts'
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

/** Runs the Flyway commands in one call; rejects with its output if it fails. */
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

test('after Flyway, our runner finds nothing to do, and the result is the same as ours', async () => {
  await emptied()
  await flyway('migrate', 'validate')
  expect(await ours()).toEqual([])
  expect(await state()).toEqual(expected)
}, 120_000)

test('Flyway takes no function of another schema either, if its sessions begin with the search path of ours', async () => {
  await emptied()
  await query(`create function public.lower(varchar) returns text language plpgsql immutable as $$
    begin return 'the wrong function'; end $$`)
  await flyway('-initSql=set search_path = pg_catalog', 'migrate')
  await query('drop function public.lower')
  expect(await state()).toEqual(expected)
}, 120_000)

test('after our runner, Flyway finds nothing to do and everything valid', async () => {
  await emptied()
  await ours()
  await flyway('migrate', 'validate')
  expect(await state()).toEqual(expected)
}, 120_000)

test('both at once on a new database leave the same result as one alone', async () => {
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

test('after repair, Flyway migrates a database of the Python version, and our runner accepts it', async () => {
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
