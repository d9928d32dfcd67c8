import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Kysely, PostgresDialect } from 'kysely'
import pg from 'pg'
import { afterAll, beforeEach, inject } from 'vitest'
import { type Config, readConfig } from '../../src/config/config.ts'
import { Notices } from '../../src/database/listen.ts'
import { openDatabase } from '../../src/database/open.ts'
import type { Database } from '../../src/database/tables.ts'
import { createLog, type Log } from '../../src/log.ts'
import { bringUpOnce } from '../../src/migrations/bring-up.ts'
import { readMigrations } from '../../src/migrations/files.ts'
import { rejectUntilReady } from '../../src/pages/readiness.ts'
import { createServer, type ServerOptions } from '../../src/server.ts'

/** The back end that this run tests. */
export const backend = process.env.BACKEND === 'server' ? 'server' : 'embedded'

/**
 * The real API on a new migrated database, which is emptied before each test and dropped after the test file. On a server
 * it runs as the role of db/roles.sql that serves; `db` is for the test's own statements, as the role that owns all.
 */
export async function startApi(options: Partial<ServerOptions> = {}) {
  const { settings, ownersSettings, drop } = await (backend === 'server' ? ownRegistry() : ownFolder())
  const { readiness = { schema: { expected: '', found: '', ready: true }, draining: false } } = options
  const opened = await openDatabase(settings, () => rejectUntilReady(readiness))
  // A copy without plugins is a different instance, so its queries are not gathered.
  const db = process.env.GATHERED === 'no' ? opened.db.withoutPlugins() : opened.db
  const database = { ...opened, db }
  const owners = ownersSettings ? await openDatabase(ownersSettings) : opened
  const app = await apiOver(database, { ...options, readiness })
  beforeEach(() => owners.withClient((client) => client.query(emptyTables)))
  afterAll(async () => {
    const closed = app.close()
    app.server.closeAllConnections() // also those that fetch has opened and not used, for which close() waits
    await closed
    await database.close()
    if (owners !== opened) await owners.close()
    await drop()
  })
  return { app, db: owners.db, settings, database }
}

/** Empties all tables except four housing types, in order of creation: a log comes after the table that it logs. */
const emptyTables = `do $$
  declare
    name regclass;
    kind "char";
  begin
    for name, kind in select oid, relkind from pg_class
      where relnamespace = 'housing'::regnamespace and relkind in ('r', 'S')
        and relname not in ('housing_types', 'housing_type_id_seq', 'flyway_schema_history')
      order by oid
    loop
      execute format(case kind when 'S' then 'alter sequence %s restart' else 'truncate %s cascade' end, name);
    end loop;
    delete from housing.housing_types where id > 4;
  end $$`

/** Writes nothing, but remembers the last failure, so a test can show the cause of a 500. */
export const silent: Log & { lastFailure?: Error } = Object.assign(createLog('silent'), {
  error({ err }: { err: Error }) {
    silent.lastFailure = err
  },
})

/** The options of an API on a database that is already open, which is ready and logs nothing. */
export const optionsFor = (database: ServerOptions['database']): ServerOptions => ({
  database,
  readiness: { schema: { expected: '', found: '', ready: true }, draining: false },
  log: silent,
  access: { auth: 'open', anonymous: [], tokens: undefined, rateLimit: Number.POSITIVE_INFINITY },
  hosts: '*',
  origins: [],
  trustProxy: [],
  version: 'test',
})

/** Another API on a database that is already open. */
export const apiOver = async (database: ServerOptions['database'], options: Partial<ServerOptions> = {}) =>
  (await createServer({ ...optionsFor(database), ...options })).app

const nowhere: Database = new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool() }) })

/** A database for tests that need no data. */
export const noDatabase = {
  db: nowhere,
  beside: nowhere,
  patience: 1000,
  bulk: nowhere,
  findTrouble: async () => ({ database: 'there is none' }),
  listen: () => new Notices(),
  hasOneConnection: false,
  connections: 10,
  // biome-ignore lint/correctness/useYield: it fails before
  async *copyOut(): AsyncGenerator<Buffer> {
    throw new Error('there is no database')
  },
}

/** A copy of the migrated embedded database. */
export async function ownFolder() {
  const parent = await mkdtemp(join(tmpdir(), 'sample-api-'))
  const folder = join(parent, 'data')
  await cp(inject('template'), folder, { recursive: true })
  return {
    settings: { kind: 'embedded', folder } satisfies Config['database'],
    ownersSettings: undefined,
    drop: () => rm(parent, { recursive: true }),
  }
}

/** A new database on the tests' server, migrated by the role that owns it, with what db/roles.sql grants to the other. */
export async function ownRegistry(migrations = readMigrations()) {
  const { owner, app, password } = inject('roles')
  const { url, drop } = await ownDatabase(`owner ${owner}`)
  const as = (username: string) => Object.assign(new URL(url), { username, password }).href
  const settingsOf = (url: string) => readConfig({ DATABASE_URL: url }).database
  const [ownersUrl, appsUrl] = [as(owner), as(app)]
  const owners = await openDatabase(settingsOf(ownersUrl))
  await bringUpOnce(owners, migrations)
  await owners.withClient((client) => client.query(rolesSql()))
  await owners.close()
  return { settings: settingsOf(appsUrl), ownersSettings: settingsOf(ownersUrl), url: appsUrl, ownersUrl, drop }
}

/** The text of db/roles.sql for other roles, as the tests' server may have a registry with those that it names. */
export function rolesSql({ owner, app } = inject('roles')): string {
  const text = readFileSync(new URL('../../db/roles.sql', import.meta.url), 'utf8')
  return text.replaceAll('registry_owner', owner).replaceAll('registry_app', app)
}

/** A new, empty database on the tests' server. */
export async function ownDatabase(options = '') {
  const name = `test_${randomUUID().replaceAll('-', '')}`
  const url = new URL(inject('serverUrl'))
  await onServer(`create database ${name} ${options}`)
  url.pathname = name
  return {
    settings: readConfig({ DATABASE_URL: url.href }).database,
    url: url.href,
    drop: () => onServer(`drop database ${name} with (force)`),
  }
}

async function onServer(statement: string): Promise<void> {
  const client = new pg.Client(inject('serverUrl'))
  await client.connect()
  await client.query(statement)
  await client.end()
}
