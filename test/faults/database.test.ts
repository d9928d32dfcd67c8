import { once } from 'node:events'
import { closeSync, openSync, unlinkSync, writeFileSync, writeSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { reliable } from '../../src/database/pool.ts'
import { watchOver } from '../../src/database/watch.ts'
import { library, remote } from '../support/http.ts'
import { embedded, onServer, readerOf, slow, temporaryFolder } from '../support/places.ts'
import { guarded, startPostgres } from '../support/postgres.ts'
import { run, serve } from '../support/program.ts'
import { startProxy } from '../support/proxy.ts'
import { isLong } from '../support/rounds.ts'

vi.setConfig({ testTimeout: 120_000 })

/** The program on a new database, on which these statements were run before; and a way to run more. */
async function onDatabase(before = (_name: string): string => '', env: Record<string, string> = {}) {
  const place = await onServer()
  const name = new URL(place.env.DATABASE_URL).pathname.slice(1)
  await place.query(before(name))
  const program = await serve({ env: { ...place.env, ...env } })
  return { ...place, ...program, ...remote(program.url), name }
}

/** A role of its own that may do everything in its database; it is dropped at the end of the test. */
async function withRole(options: string) {
  const place = await onServer()
  const database = new URL(place.env.DATABASE_URL)
  const name = `role_of_${database.pathname.slice(1)}`
  await place.query(`create role ${name} login; grant create on database ${database.pathname.slice(1)} to ${name};
    alter database ${database.pathname.slice(1)} owner to ${name}; ${options.replaceAll('$role', name)}`)
  // Tests end in reverse order: this runs before the database is dropped.
  onTestFinished(async () => {
    await place.query(`reassign owned by ${name} to postgres; drop owned by ${name}; drop role ${name}`)
  })
  database.username = name
  return { query: place.query, name, env: { DATABASE_URL: database.href } }
}

const storesAndReads = async ({ post, list, patch, ready }: ReturnType<typeof remote>) => {
  expect(await post()).toMatchObject({ status: 201, body: { created_at: expect.stringMatching(/^20\d\d-.*Z$/) } })
  expect(await patch({ city: 'Esquimalt' })).toMatchObject({ status: 200, body: { version: 2 } })
  expect(await list('?city=esquimalt')).toMatchObject({ status: 200, body: { items: [{ id: 1 }] } })
  expect(await ready()).toBe(200)
}

describe('what the database, the role or the environment sets does not change an outcome', () => {
  test.each([
    "datestyle = 'SQL, DMY'",
    "datestyle = 'German'",
    "timezone = 'America/Vancouver'",
    "search_path = ''",
    'search_path = nowhere, public',
    'default_transaction_isolation = serializable',
    'client_encoding = latin1',
    'statement_timeout = 1', // a migration takes longer
    'idle_in_transaction_session_timeout = 1',
    "bytea_output = 'escape'",
  ])('%s', async (setting) => {
    await storesAndReads(await onDatabase((name) => `alter database ${name} set ${setting}`))
  })

  test('the variables of libpq', async () => {
    const variables = {
      ...{ PGSSLMODE: 'require', PGHOST: '203.0.113.1', PGPORT: '1', PGUSER: 'nobody', PGPASSWORD: 'x' },
      ...{ PGDATABASE: 'nowhere', PGOPTIONS: '-c search_path=nowhere', PGBINARY: '1', PGREPLICATION: 'database' },
      ...{ PGSSLNEGOTIATION: 'direct', PGCLIENT_ENCODING: 'LATIN1', PGCONNECT_TIMEOUT: '1', PGAPPNAME: 'x' },
    }
    const { env } = await embedded()
    await storesAndReads(remote((await serve({ env: { ...env, ...variables } })).url))
    await storesAndReads(await onDatabase(undefined, variables))
  })

  test('functions in another schema with the names of those of Postgres', async () => {
    const { query, ...program } = await onDatabase(
      () => `
        create function public.lower(varchar) returns text language plpgsql immutable as $$
          begin raise 'the wrong function'; end $$;
        create function public.to_tsvector(regconfig, varchar) returns tsvector language plpgsql immutable as $$
          begin raise 'the wrong function'; end $$;
        create function public.now() returns timestamptz language plpgsql as $$
          begin raise 'the wrong function'; end $$`,
    )
    await storesAndReads(program)
    const paths = ['?street=brough', '?q=victoria', '/1', '/1/versions', '/1?as_of=2026-01-01T00:00:00Z']
    for (const path of paths) expect((await program.list(path)).status, path).toBeLessThan(500)
    const { rows } = await query("select count(*)::int as n from pg_indexes where indexdef like '%public.%'")
    expect(rows).toEqual([{ n: 0 }])
  })
})

test('every time that Postgres can hold has a well-formed answer, and each such row its place in the list', async () => {
  const times = ['-infinity', '4714-11-24 00:00:00+00 BC', '0044-03-15 BC', '0001-01-01', '10000-01-01', '294276-12-31']
  const { query, list, ready, send } = await onDatabase()
  for (const time of [...times, 'infinity'])
    await query(`insert into housing.housing (address, street, city, postal_code, housing_type_id, created_at, updated_at)
      values ('1', 'S', 'C', 'V8V 1A1', 1, '${time}', '${time}')`)
  for (const sort of ['id', 'updated_at', '-updated_at']) {
    const seen: number[] = []
    for (let path = `?sort=${sort}&limit=2`; seen.length < 20; ) {
      const { status, body } = await list(path)
      expect(status).toBe(200)
      for (const { id, created_at, updated_at } of body.items) {
        for (const time of [created_at, updated_at]) expect(Date.parse(time), time).not.toBeNaN()
        seen.push(id)
      }
      if (body.next === null) break
      path = `?cursor=${body.next}&limit=2`
    }
    expect(sort.startsWith('-') ? seen.toReversed() : seen, sort).toEqual([1, 2, 3, 4, 5, 6, 7])
  }
  for (const path of ['/1', '/1/versions', '/7', '/7/versions'])
    expect((await send('GET', `/api/v2/housing${path}`)).status, path).toBe(200)
  expect(await ready()).toBe(200)
})

describe('a schema that is not as expected', () => {
  test.each([
    ['a renamed column', 'housing.housing rename city to town', 'housing.housing rename town to city'],
    ['a renamed table', 'housing.housing rename to homes', 'housing.homes rename to housing'],
    ['a moved table', 'housing.housing set schema public', 'public.housing set schema housing'],
  ])('%s: 503, not ready, and ready again when it is corrected', async (_what, change, back) => {
    const { query, post, list, ready, alive } = await onDatabase()
    expect((await post()).status).toBe(201)
    await query(`alter table ${change}`)
    for (const { status, body } of [await post(), await list()])
      expect({ status, code: body.code }).toEqual({ status: 503, code: 'schema-mismatch' })
    expect([await ready(), await alive()]).toEqual([503, 200])
    await query(`alter table ${back}`)
    expect((await list()).status).toBe(200)
    expect((await post()).status).toBe(201)
    expect(await ready()).toBe(200)
  })

  test('a revoked privilege', async () => {
    const { query, name, env } = await withRole('')
    const { post, list, patch, ready } = remote((await serve({ env })).url)
    expect((await post()).status).toBe(201)
    await query(`alter table housing.housing owner to postgres; grant all on housing.housing to ${name}`)
    await query(`revoke update on housing.housing from ${name}`)
    expect(await patch({ city: 'Saanich' })).toMatchObject({ status: 503, body: { code: 'schema-mismatch' } })
    expect((await list()).status).toBe(200)
    expect(await ready()).toBe(503)
    await query(`grant update on housing.housing to ${name}`)
    expect(await ready()).toBe(200)
    expect((await patch({ city: 'Saanich' })).status).toBe(200)
  })

  test.each([
    ['dropped', 'drop table housing.changes'],
    ['without a column', 'alter table housing.changes drop column operation'],
  ])('a table that only triggers write, %s: no write succeeds, so it is not ready', async (_what, change) => {
    const { query, post, list, ready } = await onDatabase()
    expect((await post()).status).toBe(201)
    expect(await ready()).toBe(200)
    await query(change)
    expect(await post()).toMatchObject({ status: 503, body: { code: 'schema-mismatch' } })
    expect((await list()).status).toBe(200)
    expect(await ready()).toBe(503)
  })

  test('a role that may only read is not ready', async () => {
    const { env, query } = await onServer()
    await run({ command: ['migrate'], env })
    const reader = await readerOf({ env, query })
    const { post, list, ready } = remote((await serve({ env: { ...reader.env, MIGRATE: 'check' } })).url)
    expect(await ready()).toBe(503)
    expect((await list()).status).toBe(200)
    expect(await post()).toMatchObject({ status: 503, body: { code: 'schema-mismatch' } })
    await query(`grant insert, update, delete on all tables in schema housing to ${reader.role};
      grant usage on all sequences in schema housing to ${reader.role}`)
    expect(await ready()).toBe(200)
    expect((await post()).status).toBe(201)
  })
})

describe('one house that a trigger of the operator rejects', () => {
  const rejecting = (city: string, code: string) => `
    create function public.reject() returns trigger language plpgsql as $$ begin
      raise exception 'poisoned' using errcode = '${code}';
    end $$;
    create trigger reject before insert on housing.housing for each row
      when (new.city = '${city}') execute function public.reject()`

  test.each(['53100', '58P01', 'XX001', '42P01'])(
    'with %s: the process is ready again by the next write, if not before',
    async (code) => {
      const { query, post, ready } = await onDatabase()
      await query(rejecting('Nowhere', code))
      expect((await post({ ...library, city: 'Nowhere' })).status).toBe(503)
      expect((await post()).status).toBe(201)
      expect(await ready()).toBe(200)
    },
  )

  test.each(['08001', '57P01', '57P05', '0A000'])(
    'with %s, though the connection goes on: nothing was changed, and that is said',
    async (code) => {
      const { query, post, list, lines } = await onDatabase()
      await query(rejecting('Nowhere', code))
      const answers = await Promise.all(
        ['Nowhere', 'Victoria', 'Nowhere', 'Saanich'].map((city) => post({ ...library, city })),
      )
      expect(answers.map(({ status, body }) => body.code ?? status)).toEqual(['unavailable', 201, 'unavailable', 201])
      expect((await list()).body.items).toHaveLength(2)
      expect(lines().filter(({ level }) => level === 'error')[0].msg).toContain('503 unavailable: poisoned')
    },
  )
})

describe('limits of the role or the server', () => {
  test('lock_timeout: 504', async () => {
    const { connect, post, patch, ready } = await onDatabase(
      (name) => `alter database ${name} set lock_timeout = '50ms'`,
    )
    await post()
    const other = await connect()
    await other.query('begin; select from housing.housing where id = 1 for update')
    expect(await patch({ city: 'Saanich' })).toMatchObject({ status: 504, body: { code: 'timeout' } })
    expect(await ready()).toBe(200)
    await other.query('rollback')
    expect((await patch({ city: 'Saanich' })).status).toBe(200)
  })

  test('idle_session_timeout: no request notices', async () => {
    const { post, list, patch } = await onDatabase(
      (name) => `alter database ${name} set idle_session_timeout = '500ms'`,
    )
    for (let i = 1; i <= 5; i++) {
      expect((await post()).status).toBe(201)
      expect((await patch({ city: `${i}` }, i)).status).toBe(200)
      expect((await list()).status).toBe(200)
      await new Promise((resolve) => setTimeout(resolve, 490 + 5 * i))
    }
  })

  test('fewer connections than the pool has: requests wait', async () => {
    const { env } = await withRole('alter role $role connection limit 4')
    const { post, list } = remote((await serve({ env })).url)
    const answers = await Promise.all(Array.from({ length: 18 }, (_, i) => (i % 3 ? list('?q=victoria') : post())))
    expect(answers.map(({ status }) => status).toSorted()).toEqual([...Array(12).fill(200), ...Array(6).fill(201)])
  })

  test('ids that SQL has used are skipped, and an exhausted sequence is reported', async () => {
    const { query, post, send, list } = await onDatabase()
    await query(`insert into housing.housing (id, address, street, city, postal_code, housing_type_id)
      values (1, '1', 'S', 'C', 'V8V 1A1', 1), (2, '2', 'S', 'C', 'V8V 1A1', 1)`)
    expect(await post()).toMatchObject({ status: 201, body: { id: 3 } })
    await query("select setval('housing.housing_id_seq', 2147483647)")
    expect(await post()).toMatchObject({ status: 503, body: { code: 'storage-full' } })
    const { housing_type, ...house } = library
    expect((await send('POST', '/api/v1/housing/', { ...house, housing_type_id: 1 })).status).toBe(503)
    expect((await list()).status).toBe(200)
  })
})

test('a caller waits for all its statements together no longer than the deadline: 504, and nothing was changed', async () => {
  const { query, batch, list } = await onDatabase()
  await query(slow(2, 'before insert on housing.housing for each row'))
  expect(await batch(10)).toMatchObject({ status: 504, body: { code: 'timeout' } })
  expect((await list()).body.items).toEqual([])
})

test('a connection over which short statements follow each other is not taken for lost', async () => {
  const { env, connect } = await onServer()
  const client = await connect()
  const pool = new pg.Pool({ connectionString: env.DATABASE_URL, max: 1 })
  const { endWatch } = await watchOver(client, reliable(pool), 5)
  for (let i = 0; i < 3000; i++) await client.query('select')
  endWatch()
  await Promise.all([client.end(), pool.end()])
})

test('all statements of a list share the deadline: 504', async () => {
  const { connect, list } = await onDatabase()
  const [types, houses] = [await connect(), await connect()]
  await types.query('begin; lock housing.housing_types')
  await houses.query('begin; lock housing.housing')
  const answer = list('?housing_type=SFD')
  await sleep(3000) // neither waits as long as a statement may
  await types.query('rollback')
  await sleep(3000)
  await houses.query('rollback')
  expect(await answer).toMatchObject({ status: 504, body: { code: 'timeout' } })
  expect((await list('?housing_type=SFD')).status).toBe(200)
})

test('a change that finds nothing shares the deadline with the read that says why: 504', async () => {
  const { query, connect, send } = await onDatabase()
  await query(slow(3, 'after delete on housing.housing for each statement'))
  const answer = send('DELETE', '/api/v2/housing/9', undefined, { 'if-match': '*' })
  const types = await connect()
  await sleep(1000)
  await types.query('begin; lock housing.housing_types') // has it when the deletion ends, so the read waits
  await sleep(3000)
  await types.query('rollback')
  expect(await answer).toMatchObject({ status: 504, body: { code: 'timeout' } })
})

const words = isLong ? ['pg_backend_pid', 'pg_try_advisory_lock', 'installed_rank', 'commit'] : []
test.each(['to_regclass', 'create table housing.changes', ...words])(
  'a start over a network that drops silently at the word %s tries again, and says so',
  async (word) => {
    const { env } = await onServer()
    const url = new URL(env.DATABASE_URL)
    const proxy = await startProxy(Number(url.port))
    onTestFinished(() => proxy.close())
    url.port = `${proxy.port}`
    proxy.keepAnswersTo(word)
    const program = await serve({ env: { DATABASE_URL: url.href }, until: 'listening' })
    await program.says('Waiting for the database')
    proxy.keepAnswersTo('a word that is never sent')
    await program.says('Ready: ')
    await storesAndReads(remote(program.url))
  },
)

test('a database in another encoding than UTF-8 is refused, and the message says how to make one that is', async () => {
  const { env, query } = await onServer()
  const url = new URL(env.DATABASE_URL)
  const name = `latin_${url.pathname.slice(6)}`
  await query(`create database ${name} encoding 'LATIN1' locale 'C' template template0`)
  onTestFinished(async () => {
    await query(`drop database ${name} with (force)`)
  })
  url.pathname = name
  for (const command of [['migrate'], []]) {
    const { code, stderr } = await run({ command, env: { DATABASE_URL: url.href } })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("encoding 'UTF8' template template0") })
  }
})

/** A proxy that drops the options of each session, as PgBouncer does; returns its port. */
async function startPooler(server: URL): Promise<string> {
  const pooler = createServer((socket) => {
    const target = connect(Number(server.port), server.hostname)
    socket.once('data', (start) => {
      const parameters = start.toString('latin1', 8).split('\0')
      const at = parameters.indexOf('options')
      parameters.splice(at, 2)
      const kept = Buffer.from(parameters.join('\0'), 'latin1')
      const head = Buffer.from(start.subarray(0, 8))
      head.writeInt32BE(8 + kept.length)
      target.write(Buffer.concat([head, kept]))
      socket.pipe(target).pipe(socket)
    })
    for (const end of [socket, target]) end.on('error', () => {})
  }).listen(0, '127.0.0.1')
  await once(pooler, 'listening')
  onTestFinished(() => void pooler.close())
  return `${(pooler.address() as AddressInfo).port}`
}

test('behind a pooler that drops the options of a session, the role must set them, and the log says how', async () => {
  const place = await withRole('')
  await run({ command: ['migrate'], env: place.env })
  const url = new URL(place.env.DATABASE_URL)
  url.port = await startPooler(new URL(url))
  const program = await serve({ env: { DATABASE_URL: url.href, MIGRATE: 'check' } })
  const { post, ready } = remote(program.url)
  expect(await ready()).toBe(503)
  expect((await post()).status).toBe(503)
  const cures = /(alter role \S+ set \S+ = '[^']*'; ?)+/.exec(JSON.parse(await program.says(/{.*Not ready.*}/)).msg)
  await place.query(cures?.[0] ?? '')
  expect(await ready()).toBe(200)
  await storesAndReads(remote(program.url))
})

test('a damaged page: 503, not ready, and ready again when it is repaired', async () => {
  const server = await startPostgres()
  onTestFinished(server.stop)
  const program = await serve({ env: { DATABASE_URL: server.url } })
  const { post, list, ready, alive } = remote(program.url)
  expect((await post()).status).toBe(201)
  const client = new pg.Client(server.url)
  await client.connect()
  const { rows } = await client.query("select pg_relation_filepath('housing.housing') as path")
  await client.query('checkpoint')
  await client.end()
  await server.crash()
  const file = openSync(join(server.data, rows[0].path), 'r+')
  writeSync(file, Buffer.alloc(200, 0xa5), 0, 200, 0)
  closeSync(file)
  await server.start()
  await vi.waitFor(async () => expect((await list()).body.code).toBe('storage-damaged'), 20_000)
  expect(await list()).toMatchObject({ status: 503, body: { code: 'storage-damaged' } })
  expect([await ready(), await alive()]).toEqual([503, 200])
  const repair = new pg.Client(server.url)
  await repair.connect()
  await repair
    .query('set zero_damaged_pages = on; select count(*) from housing.housing; vacuum housing.housing')
    .catch(() => {})
  await repair.query('truncate housing.housing')
  await repair.end()
  expect(await list()).toMatchObject({ status: 200 })
  expect(await ready()).toBe(200)
})

test('a password that is replaced in its file is used by the next connections', async () => {
  const server = await startPostgres()
  onTestFinished(server.stop)
  const query = async (sql: string) => {
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query(sql).finally(() => client.end())
  }
  await query(`create role ${guarded} login superuser password 'old'`)
  const file = join(await temporaryFolder(), 'password')
  writeFileSync(file, 'old\n')
  const { port } = new URL(server.url)
  const program = await serve({ env: { POSTGRES_PORT: port, POSTGRES_USER: guarded, POSTGRES_PASSWORD_FILE: file } })
  const { post } = remote(program.url)
  expect((await post()).status).toBe(201)

  const endAll = `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${guarded}'`
  await query(`alter role ${guarded} password 'new'; ${endAll}`)
  expect((await post()).status).toBe(503)
  unlinkSync(file) // as it may be missing while it is replaced
  expect((await post()).status).toBe(503)
  writeFileSync(file, 'new\n')
  expect((await post()).status).toBe(201)
})
