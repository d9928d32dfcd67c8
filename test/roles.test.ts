import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { readConfig } from '../src/config/config.ts'
import { openDatabase } from '../src/database/open.ts'
import { bringUpOnce } from '../src/migrations/bring-up.ts'
import { readMigrations } from '../src/migrations/files.ts'
import { ownRegistry, rolesSql } from './support/api.ts'
import { appWithCallers } from './support/callers.ts'
import { client, library, remote } from './support/http.ts'
import { onServer } from './support/places.ts'
import { run, serve, start } from './support/program.ts'

vi.setConfig({ testTimeout: 120_000 })

const roles = inject('roles')
const migrations = readMigrations()
const ownSettings = (DATABASE_URL: string) => readConfig({ DATABASE_URL }).database

/** A function that queries the database, each time over a new connection. */
const querying = (url: string) => async (text: string) => {
  const client = new pg.Client(url)
  await client.connect()
  const results = await client.query(text).finally(() => client.end())
  return [results].flat().at(-1)?.rows
}

/** A registry whose schema is at this version, and functions to query it as each of its roles. */
async function registry(version = migrations.at(-1)?.version) {
  const { url, ownersUrl, drop, ...rest } = await ownRegistry(
    migrations.slice(0, migrations.findIndex((migration) => migration.version === version) + 1),
  )
  return {
    ...rest,
    drop,
    asOwner: querying(ownersUrl),
    asApp: querying(url),
    env: { DATABASE_URL: url },
    ownersEnv: { DATABASE_URL: ownersUrl },
  }
}

/** The same, dropped at the end of the test. */
async function registryOfTest(version?: string) {
  const made = await registry(version)
  onTestFinished(made.drop)
  return made
}

describe('the role that serves', async () => {
  const { settings, drop, asOwner, asApp } = await registry()
  afterAll(drop)
  const entry = `(at, by, operation, housing_id, version, address, street, city, postal_code, housing_type, created_at, updated_at)
    values (now(), 'the king', 'created', 7, 1, '1', 'Main', 'Victoria', 'V8V 1A1', 'SFD', now(), now())`
  const house = (columns: string, values: string) => `
    insert into housing.housing (address, street, city, postal_code, housing_type_id, ${columns})
    values ('1', 'Main', 'Victoria', 'V8V 1A1', 1, ${values})`
  const onOwnTable = (what: string, trigger: string) => `
    create temp table mine as select 7 as id, 1 as version, now() as created_at, now() as updated_at, 1 as housing_type_id;
    create trigger mine after insert on mine referencing new table as new_rows
    for each statement execute function housing.${trigger}; ${what}`

  test.each(
    [
      `insert into housing.changes ${entry}`,
      "update housing.changes set by = 'the king'",
      'delete from housing.changes',
      'truncate housing.changes',
      'drop table housing.changes cascade',
      'alter table housing.changes disable trigger append_only',
      'drop trigger append_only on housing.changes',
      "alter table housing.changes alter by set default 'the king'",
      "select nextval(pg_get_serial_sequence('housing.changes', 'position'))",
      'alter table housing.housing disable trigger log_update',
      'alter table housing.housing disable trigger all',
      'drop trigger log_update on housing.housing',
      'set session_replication_role = replica',
      "create or replace function housing.log_changes() returns trigger language plpgsql as 'begin return null; end'",
      'drop function housing.log_changes() cascade',
      onOwnTable('insert into mine select * from mine', 'log_changes()'),
      onOwnTable('insert into mine values (2147483647)', 'pass_taken_ids()'),
      'truncate housing.housing',
      house('version', '7'),
      house('created_at', "'1999-01-01'"),
      house('updated_at', "'1999-01-01'"),
      'update housing.housing set version = 7',
      "update housing.housing set created_at = '1999-01-01'",
      "update housing.housing set updated_at = '1999-01-01'",
      'update housing.housing set id = id + 1',
      "select setval('housing.housing_id_seq', 1)",
      'delete from housing.flyway_schema_history',
      'update housing.flyway_schema_history set checksum = 7',
      "insert into housing.flyway_schema_history select 99, '99', '', 'SQL', '', 7, '', now(), 0, true",
      'create table housing.mine ()',
      'create schema mine',
      `set role ${roles.owner}`,
    ].map((text) => text.trim().replace(/\s+/g, ' ')),
  )('may not: %s', async (statement) => {
    await expect(asApp(statement)).rejects.toMatchObject({ code: '42501' })
  })

  test('writes houses as each caller, and the log says which role it was', async () => {
    const database = await openDatabase(settings)
    const app = await appWithCallers(database)
    onTestFinished(async () => {
      await app.close()
      await database.close()
    })
    const api = client(app)
    await api.post('/api/v2/housing', library, { caller: 'key:7f3a9c01' })
    await api.patch('/api/v2/housing/1', { city: 'Oak Bay' }, { 'if-match': '*', caller: 'sub:somebody' })
    await api.delete('/api/v2/housing/1', { 'if-match': '*' })
    await asOwner(house('id', '7'))
    expect(await asOwner('select housing_id, operation, by, db_role from housing.changes order by position')).toEqual([
      { housing_id: 1, operation: 'created', by: 'key:7f3a9c01', db_role: roles.app },
      { housing_id: 1, operation: 'updated', by: 'sub:somebody', db_role: roles.app },
      { housing_id: 1, operation: 'deleted', by: null, db_role: roles.app },
      { housing_id: 7, operation: 'created', by: null, db_role: roles.owner },
    ])
  })

  test('reads API keys, and says when one was used, but can neither make nor change one', async () => {
    await asApp('select * from housing.api_keys')
    await asApp('update housing.api_keys set last_used_on = current_date')
    for (const statement of [
      "insert into housing.api_keys (id) values ('x')",
      'delete from housing.api_keys',
      'truncate housing.api_keys',
      ...['hash', 'scopes', 'expires_at', 'revoked_at'].map((name) => `update housing.api_keys set ${name} = ${name}`),
    ])
      await expect(asApp(statement), statement).rejects.toMatchObject({ code: '42501' })
  })
})

/** Who owns what in the schema, and who may do what, a line each. */
const rights = `
  select relname::text as name, relowner::regrole::text as owner, relacl::text as acl from pg_class
    where relnamespace = 'housing'::regnamespace
  union all select proname, proowner::regrole::text, proacl::text from pg_proc where pronamespace = 'housing'::regnamespace
  union all select nspname, nspowner::regrole::text, nspacl::text from pg_namespace where nspname = 'housing'
  union all select attrelid::regclass || '.' || attname, null, attacl::text from pg_attribute where attacl is not null
  order by 1, 2, 3`

describe('roles.sql', () => {
  test('can run again, also as the owner, and takes back what it does not grant', async () => {
    const { asOwner } = await registryOfTest()
    const before = await asOwner(rights)
    await asOwner(`grant all on housing.changes, housing.housing to ${roles.app};
      grant update (version) on housing.housing to ${roles.app}; grant all on all sequences in schema housing to ${roles.app}`)
    expect(await asOwner(rights)).not.toEqual(before)
    await asOwner(rolesSql())
    expect(await asOwner(rights)).toEqual(before)
  })

  test('runs no function or operator of another schema, as whoever owns that would get the rights of who runs it', async () => {
    const { env, query } = await onServer()
    await query(`
      create function public.format(text, name) returns text language sql as 'select (1 / 0)::text';
      create function public.format(text, regclass) returns text language sql as 'select (1 / 0)::text';
      create function public.has_database_privilege(text, name, text) returns boolean language sql as 'select 1 / 0 = 0';
      create function public.never(oid, regrole) returns boolean language sql as 'select 1 / 0 = 0';
      create operator public.<> (leftarg = oid, rightarg = regrole, function = public.never)`)
    const database = await openDatabase(ownSettings(env.DATABASE_URL))
    onTestFinished(database.close)
    await bringUpOnce(database, migrations)
    await query(rolesSql())
  })

  test.each([0, 1, migrations.length])(
    'takes over a database of another role, in which %i scripts were applied',
    async (count) => {
      const { env, query } = await onServer()
      const database = await openDatabase(ownSettings(env.DATABASE_URL))
      onTestFinished(database.close)
      if (count > 0) await bringUpOnce(database, migrations.slice(0, count))
      await query(rolesSql())
      await query(rolesSql())
      const as = (username: string) =>
        Object.assign(new URL(env.DATABASE_URL), { username, password: roles.password }).href
      expect(await run({ command: ['migrate'], env: { DATABASE_URL: as(roles.owner) } })).toMatchObject({ code: 0 })
      const foreign = (await query(rights)).rows.filter(({ owner }) => owner !== null && owner !== roles.owner)
      expect(foreign).toEqual([])
      await querying(as(roles.owner))(rolesSql())
      const { post, patch, ready } = remote((await serve({ env: { DATABASE_URL: as(roles.app) } })).url)
      expect((await post()).status).toBe(201)
      expect((await patch({ city: 'Oak Bay' })).status).toBe(200)
      expect(await ready()).toBe(200)
    },
  )

  test('needs no superuser, and creates the roles', async () => {
    const { query } = await onServer()
    const id = randomUUID().replaceAll('-', '')
    const names = { owner: `owner_${id}`, app: `app_${id}`, password: '' }
    const admin = `admin_${id}`
    const url = Object.assign(new URL(inject('serverUrl')), { username: admin, password: id })
    await query(`create role ${admin} login createdb createrole password '${id}'`)
    await querying(url.href)(`create database of_${admin}`)
    url.pathname = `of_${admin}`
    onTestFinished(async () => {
      await query(`drop database of_${admin} with (force)`)
      await query(`drop role if exists ${names.owner}, ${names.app}`)
      await query(`drop role ${admin}`)
    })
    const database = await openDatabase(ownSettings(url.href))
    await bringUpOnce(database, migrations)
    await database.close()
    await querying(url.href)(rolesSql(names))
    const owners = await querying(url.href)(
      "select relowner::regrole::text as owner from pg_class where oid = 'housing.changes'::regclass",
    )
    expect(owners).toEqual([{ owner: names.owner }])
  })
})

describe('the program, as the role that serves', () => {
  const before = migrations.at(-3)?.version
  const missing = migrations
    .slice(-2)
    .map(({ script }) => script)
    .join(', ')

  test('serves where no migration is missing, and changes nothing', async () => {
    const { env, asOwner } = await registryOfTest()
    const state = () => asOwner('select ctid, xmin, * from housing.flyway_schema_history')
    const found = await state()
    for (const MIGRATE of ['on', 'check']) {
      const { post, ready } = remote((await serve({ env: { ...env, MIGRATE } })).url)
      expect([(await post()).status, await ready()]).toEqual([201, 200])
    }
    expect(await run({ command: ['migrate'], env })).toMatchObject({ code: 0, stderr: '' })
    expect(await state()).toEqual(found)
  })

  test.each([[], ['migrate']])('says which migrations are missing, and who may apply them (%s)', async (...command) => {
    const { env, asOwner } = await registryOfTest(before)
    const state = () => asOwner('select ctid, xmin, * from housing.flyway_schema_history')
    const found = await state()
    const { code, stderr } = await run({ command, env })
    expect(stderr).toMatch(
      `The database lacks ${missing}, which the role ${roles.app} may not apply: permission denied for schema housing`,
    )
    expect(stderr).toMatch(
      /\(SQLSTATE 42501\)\. Run `npm run migrate` as the role that owns the schema; with MIGRATE=check the API waits for that\.\n$/,
    )
    expect(code).toBe(1)
    expect(await state()).toEqual(found)
  })

  test('waits with MIGRATE=check until the owner has migrated', async () => {
    const { env, ownersEnv, asOwner } = await registryOfTest(before)
    const program = start({ env: { ...env, MIGRATE: 'check' } })
    await program.says(`Waiting for another tool to apply ${missing}`)
    expect(await run({ command: ['migrate'], env: ownersEnv })).toMatchObject({ code: 0 })
    await asOwner(rolesSql())
    await program.says('Ready: ')
  })

  test('is not ready without a right that it needs, and ready again once roles.sql has run', async () => {
    const { env, asOwner } = await registryOfTest()
    const { ready } = remote((await serve({ env })).url)
    for (const right of [
      'insert on housing.housing',
      'update (city) on housing.housing',
      'delete on housing.housing',
      'select on housing.housing_types',
      'select on housing.changes',
      'insert on housing.idempotency_keys',
      'update on housing.idempotency_keys',
      'delete on housing.idempotency_keys',
    ]) {
      expect(await ready(), right).toBe(200)
      await asOwner(`revoke ${right} from ${roles.app}`)
      expect(await ready(), right).toBe(503)
      await asOwner(rolesSql())
    }
    expect(await ready()).toBe(200)
  })
})
