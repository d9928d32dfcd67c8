import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { beforeAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { indexesOf, triggersOf } from '../src/commands/doctor/expected.ts'
import { openDatabase } from '../src/database/open.ts'
import { readMigrations } from '../src/migrations/files.ts'
import { ownRegistry, rolesSql } from './support/api.ts'
import { embedded, onServer, temporaryFolder } from './support/places.ts'
import { freePort, guarded, startPostgres } from './support/postgres.ts'
import { run, serve } from './support/program.ts'
import { startProxy } from './support/proxy.ts'

vi.setConfig({ testTimeout: 120_000 })

interface Found {
  status: string
  detail: string
  remedy?: string
}

/** What `doctor` finds, by check. Its lines for people say the same. */
async function examined(env: Record<string, string>, { program }: { program?: [string, ...string[]] } = {}) {
  const options = { env, ...(program && { program }) }
  const { code, stdout, stderr } = await run({ ...options, command: ['doctor', '--json'] })
  expect(stderr).toBe('')
  const { ok, checks } = JSON.parse(stdout) as { ok: boolean; checks: (Found & { check: string })[] }
  expect(code).toBe(ok ? 0 : 1)
  return {
    ok,
    found: Object.fromEntries(checks.map(({ check, ...found }) => [check, found])) as Record<string, Found>,
    /** The checks that are not ok, with their status. */
    wrong: Object.fromEntries(
      checks.filter(({ status }) => status !== 'ok').map(({ check, status }) => [check, status]),
    ),
  }
}

/** What is examined in a database that can be reached. */
const ofDatabase = ['version', 'encoding', 'migrations', 'rights', 'indexes', 'triggers', 'clock']
const skippedAll = Object.fromEntries(ofDatabase.map((check) => [check, 'skipped']))

/** A migrated database on the server. */
async function migrated() {
  const place = await onServer()
  expect(await run({ command: ['migrate'], env: place.env })).toMatchObject({ code: 0 })
  return place
}

describe('nothing is wrong', () => {
  test('with a server, and nothing is changed there', async () => {
    const server = await startPostgres()
    onTestFinished(server.stop)
    const env = { DATABASE_URL: server.url }
    await run({ command: ['migrate'], env })
    const client = new pg.Client(server.url)
    await client.connect()
    onTestFinished(() => client.end())
    await client.query('alter system set autovacuum = off')
    await client.query('select pg_reload_conf()')
    /** The id of the next transaction that writes. */
    const next = async () => (await client.query('select pg_snapshot_xmax(pg_current_snapshot()) as id')).rows[0].id
    const before = await next()
    const { ok, found, wrong } = await examined(env)
    expect({ ok, wrong }).toEqual({ ok: true, wrong: { disk: 'skipped' } })
    expect(found.database?.detail).toMatch(/^Postgres at 127\.0\.0\.1:\d+, database postgres, as postgres: /)
    expect(await next()).toBe(before)
  })

  test('with the embedded database, and no file is changed', async () => {
    const { env } = await embedded()
    /** The files, but for the lock, with a hash of each. */
    const files = () =>
      (readdirSync(env.DATA_DIR, { recursive: true }) as string[])
        .filter((name) => statSync(join(env.DATA_DIR, name)).isFile())
        .map((name) => [
          name,
          createHash('sha256')
            .update(readFileSync(join(env.DATA_DIR, name)))
            .digest('hex'),
        ])
    const before = files()
    const { ok, wrong, found } = await examined(env)
    expect({ ok, wrong }).toEqual({ ok: true, wrong: {} })
    expect(found.folder?.detail).toBe(`${env.DATA_DIR} is sound, and not in use: all of it can be read`)
    expect(files()).toEqual(before)
  })

  test('with the role of db/roles.sql', async () => {
    const { url, drop } = await ownRegistry()
    onTestFinished(drop)
    expect(await examined({ DATABASE_URL: url })).toMatchObject({ ok: true, wrong: { disk: 'skipped' } })
  })

  test('where there is no database yet, and none is made', async () => {
    const DATA_DIR = join(await temporaryFolder(), 'data')
    const { ok, wrong, found } = await examined({ DATA_DIR })
    expect({ ok, wrong }).toEqual({ ok: true, wrong: { folder: 'warning', ...skippedAll } })
    expect(found.folder?.detail).toBe(`There is no database in ${DATA_DIR} yet`)
    expect(() => statSync(DATA_DIR)).toThrow(/ENOENT/)
  })

  test('for people it is a line for each check', async () => {
    const { env } = await migrated()
    const { code, stdout } = await run({ command: ['doctor'], env })
    expect(code).toBe(0)
    expect(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/ +/, 2)),
    ).toEqual([
      ['ok', 'settings'],
      ['ok', 'database'],
      ['skipped', 'disk'],
      ...ofDatabase.map((check) => ['ok', check]),
    ])
  })
})

test('a reader that leaves early, as head does, changes nothing', async () => {
  const { env } = await embedded()
  const command = ['-c', '("$0" dist/main.js doctor; echo "exit code $?" >&2) | true', process.execPath]
  expect(await run({ program: ['sh'], command, env })).toMatchObject({ stderr: 'exit code 0\n' })
})

describe('settings', () => {
  test('that are wrong are named, all of them', async () => {
    const { wrong, found } = await examined({ PORT: 'x', LOG_LEVEL: 'loud' })
    expect(wrong).toEqual({ settings: 'failed', ...skippedAll })
    expect(found.settings?.detail).toMatch(/PORT is "x".*LOG_LEVEL is "loud"/)
  })

  test('that are risky are a warning', async () => {
    const { env } = await migrated()
    const { ok, found } = await examined({ ...env, HOST: '0.0.0.0' })
    expect(ok).toBe(true)
    expect(found.settings).toMatchObject({ status: 'warning', remedy: expect.stringMatching(/^AUTH is open: /) })
  })
})

describe('a database that cannot be reached', () => {
  let port: string
  beforeAll(async () => {
    const server = await startPostgres()
    port = new URL(server.url).port
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query(`create role ${guarded} login password 'right'`)
    await client.end()
    return server.stop
  })

  const examinedAt = async (port: string, settings: Record<string, string>, detail: RegExp) => {
    const { wrong, found } = await examined({ POSTGRES_PORT: port, ...settings })
    expect(wrong).toEqual({ database: 'failed', ...skippedAll })
    expect(found.database?.detail).toMatch(detail)
    expect(JSON.stringify(found)).not.toContain('hunter2')
  }

  test.each([
    ['a wrong password', { POSTGRES_USER: guarded, POSTGRES_PASSWORD: 'hunter2' }, /password.*Check POSTGRES_USER and/],
    ['an unknown role', { POSTGRES_USER: 'nobody' }, /role "nobody" does not exist.*Check POSTGRES_USER/],
    ['an unknown database', { POSTGRES_DB: 'nowhere' }, /"nowhere" does not exist.*Create it, or check POSTGRES_DB/],
    ['TLS that the server does not have', { POSTGRES_SSLMODE: 'verify-full' }, /does not support SSL/],
  ])('because of %s', (_, settings, detail) => examinedAt(port, settings, detail))

  test('because there is no server', async () => examinedAt(`${await freePort()}`, {}, /ECONNREFUSED/))

  test('because it hangs', async () => {
    const proxy = await startProxy(Number(port))
    onTestFinished(proxy.close)
    proxy.hang(true)
    await examinedAt(`${proxy.port}`, {}, /timeout/)
  })
})

describe('a database on a server', () => {
  test('that accepts no writes', async () => {
    const { env, query } = await migrated()
    await query(`alter database ${new URL(env.DATABASE_URL).pathname.slice(1)} set default_transaction_read_only = on`)
    const { wrong, found } = await examined(env)
    expect(wrong).toEqual({ database: 'failed', disk: 'skipped' })
    expect(found.database?.detail).toMatch(/: it is read-only, .* lead to the primary$/)
  })

  test.each([
    { encoding: 'SQL_ASCII', status: 'failed', detail: /is encoded in SQL_ASCII; it must be UTF8$/ },
    { encoding: 'LATIN1', status: 'failed', detail: /is encoded in LATIN1; it must be UTF8$/ },
    { encoding: 'UTF8', status: 'warning', detail: /^LC_CTYPE is C, which knows only ASCII/ },
  ])('in $encoding with LC_CTYPE C', async ({ encoding, status, detail }) => {
    const { query, env } = await onServer()
    const url = new URL(env.DATABASE_URL)
    url.pathname += `_${encoding.toLowerCase()}`
    const name = url.pathname.slice(1)
    await query(`create database ${name} encoding '${encoding}' lc_collate 'C' lc_ctype 'C' template template0`)
    onTestFinished(async () => void (await query(`drop database ${name} with (force)`)))
    const { found } = await examined({ DATABASE_URL: url.href })
    expect(found.encoding).toEqual({ status, detail: expect.stringMatching(detail), remedy: expect.any(String) })
  })

  const last = readMigrations().at(-1)?.script

  test.each([
    ['without a schema', 'drop schema housing cascade', /^The database has no schema yet$/],
    [
      'whose schema is behind',
      `delete from housing.flyway_schema_history where script = '${last}'`,
      new RegExp(`^The schema is at [\\d.]+ and lacks ${last?.replaceAll('.', '\\.')}$`),
    ],
    [
      'whose script was changed',
      `update housing.flyway_schema_history set checksum = 7 where version = '1.4.0'`,
      /V1\.4\.0__housing_changes\.sql was changed after it was applied \(checksum 7 then/,
    ],
    [
      'where a script failed',
      `update housing.flyway_schema_history set success = false where version = '1.4.0'`,
      /failed halfway/,
    ],
    [
      'that only a newer release can serve',
      `insert into housing.flyway_schema_history values (99, '99', 'x', 'SQL', 'V99__x.sql', 1, 'me', now(), 1, true);
       create or replace function housing.oldest_release() returns text language sql as $$ select '99' $$`,
      /newer than this release/,
    ],
  ])('%s', async (_, statement, detail) => {
    const { env, query } = await migrated()
    await query(statement)
    const { found } = await examined(env)
    expect(found.migrations).toMatchObject({ status: 'failed', detail: expect.stringMatching(detail) })
  })

  test('whose role lacks rights, all of which are named', async () => {
    const { url, owner, app } = await servedRegistry()
    const rights = [
      'select on housing.flyway_schema_history',
      'select on housing.housing_types',
      'insert (city) on housing.housing',
      'update (housing_type_id) on housing.housing',
      'delete on housing.housing',
      'select on housing.changes',
      'select on housing.feed',
      'update on housing.idempotency_keys',
      'update (last_used_on) on housing.api_keys',
      'usage on housing.housing_id_seq',
      'usage on schema housing',
    ]
    for (const right of rights) {
      await owner.query(`revoke ${right} from ${app}`)
      const { wrong, found } = await examined({ DATABASE_URL: url })
      expect(wrong, right).toMatchObject({ rights: 'failed' })
      expect(found.rights).toEqual({
        status: 'failed',
        detail: `The role ${app} lacks: ${right}`,
        remedy: expect.stringContaining('db/roles.sql'),
      })
      await owner.query(rolesSql())
    }
    await owner.query('revoke execute on function housing.number_changes from public')
    expect((await examined({ DATABASE_URL: url })).found.rights?.detail).toContain('function housing.number_changes')
  })

  test('whose role may do more than it needs', async () => {
    const { url, owner, app } = await servedRegistry()
    await owner.query(
      `grant insert, truncate on housing.changes to ${app}; grant update (version) on housing.housing to ${app}`,
    )
    const { ok, found } = await examined({ DATABASE_URL: url })
    expect(ok).toBe(true)
    expect(found.rights).toMatchObject({
      status: 'warning',
      detail: expect.stringMatching(
        /may do more than it needs: insert on housing\.changes, truncate on housing\.changes, update \(version\) on housing\.housing$/,
      ),
    })
  })

  test('without an index, for each that a migration makes, and says how to make it again', async () => {
    const { env, query } = await migrated()
    const expected = indexesOf(readMigrations())
    const all = await query(
      `select indexname from pg_indexes where schemaname = 'housing' and tablename <> 'flyway_schema_history'`,
    )
    expect(expected.map(({ name }) => name).sort()).toEqual(all.rows.map(({ indexname }) => indexname).sort())

    const made = expected.filter(({ statement }) => statement)
    await query(made.map(({ name }) => `drop index housing.${name}`).join(';'))
    await query('alter table housing.feed drop constraint one_position_per_change')
    const { wrong, found } = await examined(env)
    expect(wrong).toMatchObject({ indexes: 'failed' })
    expect(found.indexes?.detail.split('; ').sort()).toEqual(
      [...made.map(({ name }) => name), 'one_position_per_change'].map((name) => `${name} is missing`).sort(),
    )
    const remedies = found.indexes?.remedy?.split('\n') ?? []
    expect(remedies.filter((line) => !line.startsWith('create '))).toEqual(['Make it again as V1.12.0__feed.sql does.'])
    for (const line of remedies.filter((line) => line.startsWith('create '))) await query(line)
    await query('alter table housing.feed add constraint one_position_per_change unique (change)')
    expect(await examined(env)).toMatchObject({ ok: true })
  })

  test('with an index that could not be finished', async () => {
    const { env, query } = await migrated()
    await query(`insert into housing.housing (address, street, city, postal_code, housing_type_id)
      select '1', 'Main', 'Victoria', 'V8V 1A1', 1 from generate_series(1, 2)`)
    await query('drop index housing.housing_by_city')
    const building = 'create unique index concurrently housing_by_city on housing.housing (city)'
    await expect(query(building)).rejects.toMatchObject({ code: '23505' })
    const { wrong, found } = await examined(env)
    expect(wrong).toMatchObject({ indexes: 'failed' })
    expect(found.indexes).toMatchObject({
      detail: 'housing_by_city is invalid',
      remedy: 'reindex index concurrently housing.housing_by_city;',
    })
  })

  test('without a trigger, or with one that is disabled', async () => {
    const { env, query } = await migrated()
    const expected = triggersOf(readMigrations())
    const all = await query(`select tgrelid::regclass || '.' || tgname as name from pg_trigger where not tgisinternal
      and tgrelid in (select oid from pg_class where relnamespace = 'housing'::regnamespace)`)
    expect(expected.map(({ name }) => name).sort()).toEqual(all.rows.map(({ name }) => name).sort())

    const [first, ...rest] = expected
    const [schema, table, trigger] = first?.name.split('.') ?? []
    await query(`drop trigger ${trigger} on ${schema}.${table}`)
    await query('alter table housing.housing_types disable trigger all')
    const { wrong, found } = await examined(env)
    expect(wrong).toMatchObject({ triggers: 'failed' })
    expect(found.triggers?.detail).toMatch(
      new RegExp(`^${first?.name} is missing; .*housing\\.housing_types\\.notify_housing_types is disabled`),
    )
    expect(rest.length).toBeGreaterThan(5)
    for (const line of found.triggers?.remedy?.split('\n').filter((line) => line.endsWith(';')) ?? []) await query(line)
    expect(await examined(env)).toMatchObject({ ok: true })

    await query('alter table housing.housing disable trigger user')
    expect((await examined(env)).found.triggers?.remedy).toMatch(/^alter table housing\.housing enable trigger user;$/m)
  })

  test.each([
    ['ahead of', 60],
    ['behind', -60],
  ])('whose clock is %s ours', async (where, seconds) => {
    const { env } = await migrated()
    const clock = `const now = Date.now; Date.now = () => now() - ${seconds * 1000}`
    const { wrong, found } = await examined(env, {
      program: [process.execPath, '--import', `data:text/javascript,${clock}`, 'dist/main.js'],
    })
    expect(wrong).toMatchObject({ clock: 'failed' })
    expect(found.clock?.detail).toBe(`The clock of the database is 60 s ${where} that of this machine`)
  })
})

describe('the folder of the embedded database', () => {
  test('that a ready API uses', async () => {
    const { env } = await embedded()
    const api = await serve({ env })
    const { ok, wrong, found } = await examined(env)
    expect({ ok, wrong }).toEqual({ ok: true, wrong: skippedAll })
    expect(found.folder?.detail).toBe(
      `${env.DATA_DIR} is in use by process ${api.pid}, the API at ${api.url.replace('localhost', '127.0.0.1')}, which is ready`,
    )
  })

  test('where no temporary folder can be made: an API that uses it is asked all the same', async () => {
    const { env } = await embedded()
    const nowhere = { ...env, TMPDIR: '/nowhere' }
    const api = await serve({ env })
    expect((await examined(nowhere)).wrong).toEqual(skippedAll)
    api.signal('SIGTERM')
    await api.exit
    const { wrong, found } = await examined(nowhere)
    expect(wrong).toEqual({ folder: 'skipped', ...skippedAll })
    expect(found.folder?.detail).toBe(
      `${env.DATA_DIR} was not opened: its copy needs a temporary folder. Set TMPDIR to one that can be written to`,
    )
  })

  test('that an API uses which is not ready', async () => {
    const { env } = await embedded()
    const api = await serve({ env: { ...env, DRAIN_SECONDS: '60' } })
    api.signal('SIGTERM')
    await api.says('not ready from now on')
    const { wrong, found } = await examined(env)
    expect(wrong).toEqual({ folder: 'failed', ...skippedAll })
    expect(found.folder?.detail).toMatch(/, the API at \S+, which is not ready: .*draining/)
  })

  test('that an API uses which does not answer', async () => {
    const { env } = await embedded()
    const api = await serve({ env })
    api.signal('SIGSTOP')
    const { found } = await examined(env)
    expect(found.folder?.detail).toMatch(
      new RegExp(`in use by process ${api.pid}, an API\\. No answer from .* within 2 s`),
    )
  })

  test('that another command uses', async () => {
    const { env } = await embedded()
    const database = await openDatabase({ kind: 'embedded', folder: env.DATA_DIR })
    onTestFinished(database.close)
    expect((await examined(env)).found.folder).toMatchObject({
      status: 'warning',
      detail: `${env.DATA_DIR} is in use by process ${process.pid}, which is not an API that serves`,
    })
  })

  test('that has the files of somebody else', async () => {
    const DATA_DIR = await temporaryFolder()
    writeFileSync(join(DATA_DIR, 'holiday.jpg'), '')
    const { wrong, found } = await examined({ DATA_DIR })
    expect(wrong).toEqual({ folder: 'failed', ...skippedAll })
    expect(found.folder?.detail).toMatch(/contains other files \(holiday\.jpg\)/)
    expect(readdirSync(DATA_DIR)).toEqual(['holiday.jpg'])
  })

  test.each([
    ['that lost PG_VERSION', (data: string) => rmSync(join(data, 'PG_VERSION')), /PG_VERSION is missing/],
    ['of another Postgres', (data: string) => writeFileSync(join(data, 'PG_VERSION'), '17\n'), /is damaged/],
    ['with a broken control file', (data: string) => spoil(join(data, 'global/pg_control'), 32, 64), /is damaged/],
    ['with a broken page', (data: string) => spoil(largestTable(data), 4096, 4096), /is damaged .*invalid page/],
  ])('%s', async (_, harm, detail) => {
    const { env } = await embedded()
    const data = join(env.DATA_DIR, 'postgres')
    if (detail.source.includes('page')) await fill(env.DATA_DIR)
    harm(data)
    const { wrong, found } = await examined(env)
    expect(wrong).toEqual({ folder: 'failed', ...skippedAll })
    expect(found.folder?.detail).toMatch(detail)
    expect(found.folder?.detail).toContain(`${env.DATA_DIR} `)
    expect(found.folder?.detail).toContain('restore it from a backup')
  })

  test('whose schema is behind', async () => {
    const { env } = await embedded()
    const last = readMigrations().at(-1)?.script
    await statement(env.DATA_DIR, `delete from housing.flyway_schema_history where script = '${last}'`)
    const { wrong, found } = await examined(env)
    expect(wrong).toMatchObject({ migrations: 'failed' })
    expect(found.migrations?.detail).toContain(`lacks ${last}`)
  })

  test('without an index: a restore makes it again', async () => {
    const { env } = await embedded()
    await statement(env.DATA_DIR, 'drop index housing.housing_by_city')
    expect((await examined(env)).found.indexes).toEqual({
      status: 'failed',
      detail: 'housing_by_city is missing',
      remedy: 'Run backup, and then restore into another DATA_DIR: that makes everything again.',
    })
  })
})

/** A registry that one role serves, and a connection as the role that owns it. */
async function servedRegistry() {
  const { url, ownersUrl, drop } = await ownRegistry()
  onTestFinished(drop)
  const owner = new pg.Client(ownersUrl)
  await owner.connect()
  onTestFinished(() => owner.end())
  return { url, owner, app: inject('roles').app }
}

async function statement(folder: string, text: string): Promise<void> {
  const database = await openDatabase({ kind: 'embedded', folder })
  await database.withClient((client) => client.query(text))
  await database.close()
}

/** So many houses that their table is the largest. */
const fill = (folder: string) =>
  statement(
    folder,
    `insert into housing.housing (address, street, city, postal_code, housing_type_id)
     select n, 'Main', 'Victoria', 'V8V 1A1', 1 from generate_series(1, 20000) n`,
  )

function largestTable(data: string): string {
  const base = join(data, 'base')
  const files = (readdirSync(base, { recursive: true }) as string[]).map((name) => join(base, name))
  return files
    .filter((file) => /\/\d+$/.test(file) && statSync(file).isFile())
    .sort((a, b) => statSync(b).size - statSync(a).size)[0] as string
}

function spoil(file: string, from: number, length: number): void {
  const bytes = readFileSync(file)
  bytes.fill(0x5a, from, from + length)
  writeFileSync(file, bytes)
}
