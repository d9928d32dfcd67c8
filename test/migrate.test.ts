import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { openDatabase } from '../src/database/open.ts'
import { bringUpOnce } from '../src/migrations/bring-up.ts'
import { decode, type Migration, readMigrations } from '../src/migrations/files.ts'
import { ownDatabase, ownFolder } from './support/api.ts'
import { catalog, history, makePredecessor } from './support/catalog.ts'

const migrations = readMigrations()
const newest = migrations.at(-1) as Migration
const scripts = migrations.map(({ script }) => script)

/** A new database, and what the tests do with it; it is dropped after the test file. */
async function open(backend: string) {
  const { settings, drop } = await (backend === 'server' ? ownDatabase() : ownFolder())
  const database = await openDatabase(settings)
  afterAll(async () => {
    await database.close()
    await drop()
  })
  const query = (sql: string) => database.withClient(async (client) => (await client.query(sql)).rows)
  return {
    settings,
    query,
    /** Migrates, and returns what was reported. */
    migrate: async (wanted = migrations) => {
      const said: string[] = []
      await bringUpOnce(database, wanted, { report: (line) => said.push(line) })
      return said
    },
    catalog: () => database.withClient(catalog),
    history: () => database.withClient(history),
    makePredecessor: (schemaByFlyway = true) =>
      database.withClient((client) => makePredecessor(client, { schemaByFlyway })),
    /** Everything that a rejected migration must leave unchanged: the schema, and the very rows of the history. */
    state: async () => {
      const [found] = await query("select to_regclass('housing.flyway_schema_history') as history")
      const rows = found.history && (await query('select ctid, xmin, * from housing.flyway_schema_history'))
      return [await database.withClient(catalog), rows]
    },
  }
}

const databases = { server: await open('server'), embedded: await open('embedded') }
const db = databases.server
beforeEach(async () => {
  for (const { query } of Object.values(databases)) await query('drop schema if exists housing cascade')
})

await db.query('drop schema if exists housing cascade')
await db.migrate()
const cleanCatalog = await db.catalog()

function migration(version: string, sql: string): Migration {
  const description = 'for a test'
  return { version, description, script: `V${version}__for_a_test.sql`, ...decode(Buffer.from(sql)) }
}

/** The rows that Flyway would write for these migrations. */
const rows = (applied = migrations) =>
  applied.map(({ version, description, script, checksum }, i) => {
    const [installed_rank, type] = [i + 1, 'SQL']
    return {
      installed_rank,
      version,
      description,
      type,
      script,
      checksum,
      installed_by: expect.any(String),
      success: true,
    }
  })
const schemaRow = {
  ...{ installed_rank: 0, version: null, description: '<< Flyway Schema Creation >>', type: 'SCHEMA' },
  ...{ script: '"housing"', checksum: null, installed_by: expect.any(String), success: true },
}

describe.each(['embedded', 'server'] as const)('on the back end %s', (backend) => {
  const db = databases[backend]

  test('a fresh database gets the schema and the history that Flyway would write, and a second run does nothing', async () => {
    expect(await db.migrate()).toEqual(scripts.map((script) => `Applied ${script}.`))
    expect(await db.history()).toEqual([schemaRow, ...rows()])
    expect(await db.query('select code from housing.housing_types order by id')).toEqual(
      ['SFD', 'ASL', 'MFD', 'COP'].map((code) => ({ code })),
    )
    const state = await db.state()
    expect(await db.migrate()).toEqual([])
    expect(await db.state()).toEqual(state)
  })

  test.each([true, false])(
    'a database of the Python version keeps its rows (schema made by Flyway: %s)',
    async (made) => {
      await db.makePredecessor(made)
      expect(await db.migrate()).toEqual([
        "Adopted a database of the Python version: its V1.0.0__init.sql created the same schema as this release's.",
        ...scripts.slice(1).map((script) => `Applied ${script}.`),
      ])
      expect(await db.history()).toEqual([...(made ? [schemaRow] : []), ...rows()])
      expect(await db.catalog()).toEqual(cleanCatalog)
      expect(
        await db.query('select id, postal_code, housing_type_id, version from housing.housing order by id'),
      ).toEqual([
        { id: 1, postal_code: 'V8W 3H2', housing_type_id: 4, version: 1 },
        { id: 2, postal_code: 'V8W 1P6', housing_type_id: 1, version: 1 },
      ])
      expect(await db.migrate()).toEqual([])
    },
  )

  test('a failed script is rolled back and reported with its line and SQLSTATE; those before it stay', async () => {
    const broken = migration('9.1', 'create table housing.half ();\n-- é\nselect * from nothing;\nselect 1')
    const fine = migration('9.0', 'create table housing.whole ();')
    await expect(db.migrate([...migrations, fine, broken])).rejects.toThrow(
      'V9.1__for_a_test.sql, line 3: relation "nothing" does not exist (SQLSTATE 42P01). It was rolled back; the database is as it was before this script.',
    )
    expect(await db.history()).toEqual([schemaRow, ...rows([...migrations, fine])])
    expect(await db.catalog()).toContain('r whole')
    expect(await db.catalog()).not.toContain('r half')
    const mended = migration('9.1', 'create table housing.half ();')
    expect(await db.migrate([...migrations, fine, mended])).toEqual(['Applied V9.1__for_a_test.sql.'])
  })
})

describe('the tables of the Python version', () => {
  test.each([
    ['alter table housing.housing alter city type varchar(60)', 'housing.city character varying(60) not null'],
    ['alter table housing.housing add owner text', 'housing.owner text'],
    [
      'alter table housing.housing alter street drop not null',
      'Missing: housing.street character varying(50) not null',
    ],
    ['alter table housing.housing alter id drop default', 'Missing: housing.id integer not null default'],
    [
      'alter table housing.housing drop constraint fk_housing_type',
      'Missing: housing fk_housing_type (housing_type_id)',
    ],
    [
      'alter table housing.housing_types drop constraint housing_types_code_key',
      'Missing: housing_types unique (code)',
    ],
    ['drop table housing.housing', 'Missing: housing.id integer not null default; housing.address'],
  ])('are not taken over after: %s', async (change, found) => {
    await db.makePredecessor()
    await db.query(change)
    const state = await db.state()
    await expect(db.migrate()).rejects.toThrow(
      /V1\.0\.0__init\.sql was applied, but the tables differ from it\. Missing: .*\. Change them back, then start again\./,
    )
    await expect(db.migrate()).rejects.toThrow(found)
    expect(await db.state()).toEqual(state)
  })
})

describe('a schema that already exists', () => {
  test('is used if it is empty, and no row says that it was created', async () => {
    await db.query('create schema housing')
    await db.migrate()
    expect(await db.history()).toEqual(rows())
  })

  test('counts as empty even with an extension in it', async () => {
    await db.query('create schema housing; create extension citext schema housing')
    await db.migrate()
    expect(await db.history()).toEqual(rows())
  })

  test.each(['table x ()', 'view x as select 1', 'sequence x', 'type x as enum ()', 'domain x as text'])(
    'is rejected if it contains a %s and no history',
    async (thing) => {
      await db.query(`create schema housing create table keep (); create ${thing.replace('x', 'housing.x')}`)
      await db.query('drop table housing.keep')
      const state = await db.state()
      await expect(db.migrate()).rejects.toThrow(/^The schema housing has content but no flyway_schema_history/)
      expect(await db.state()).toEqual(state)
    },
  )

  test('is rejected if it contains a function and no history', async () => {
    await db.query("create schema housing; create function housing.f() returns int language sql as 'select 1'")
    await expect(db.migrate()).rejects.toThrow(/^The schema housing has content/)
  })
})

describe('a history that disagrees with the files', () => {
  const set = (values: string) => `update housing.flyway_schema_history set ${values} where version = '1.1.0'`
  const add = (values: string) => `insert into housing.flyway_schema_history select max(installed_rank) + 1, ${values},
    'postgres', now(), 1, true from housing.flyway_schema_history`
  /** Makes the schema one that only this release, named by its newest version, and later ones can serve. */
  const needsRelease = (version: string) =>
    `create or replace function housing.oldest_release() returns text language sql as $$ select '${version}' $$`

  test.each([
    [
      'a changed checksum',
      set('checksum = 7'),
      'V1.1.0__find_by_postal_code.sql was changed after it was applied (checksum 7 then',
    ],
    [
      'another description',
      set("description = 'x'"),
      'V1.1.0__find_by_postal_code.sql was applied under the description "x"',
    ],
    ['another type', set("type = 'JDBC'"), 'V1.1.0__find_by_postal_code.sql was applied as JDBC, not as SQL.'],
    ['a failed row', set('success = false'), 'V1.1.0__find_by_postal_code.sql failed halfway'],
    [
      'a missing file',
      add("'1.1.5', 'x', 'SQL', 'V1.1.5__x.sql', 7"),
      'V1.1.5__x.sql was applied, but its file is missing',
    ],
    ['a missing repeatable', add("null, 'x', 'SQL', 'R__x.sql', 7"), 'R__x.sql was applied, but its file is missing'],
    [
      'a version from the future',
      `${add("'99', 'x', 'SQL', 'V99__x.sql', 7")}; ${needsRelease('98.1')}`,
      'The database is at 99 (V99__x.sql), newer than this release',
    ],
    [
      'a file out of order',
      "delete from housing.flyway_schema_history where version = '1.1.0'",
      'V1.1.0__find_by_postal_code.sql was never applied',
    ],
  ])('by %s is rejected with the name of the file, and nothing changes', async (_what, change, message) => {
    await db.migrate()
    await db.query(change)
    const state = await db.state()
    await expect(db.migrate([...migrations, migration('9', 'create table housing.pending ()')])).rejects.toThrow(
      message,
    )
    expect(await db.state()).toEqual(state)
  })

  test('by a later version is accepted if the schema says that this release can serve it', async () => {
    await db.migrate()
    await db.query(add("'99', 'x', 'SQL', 'V99__x.sql', 7"))
    expect(await db.migrate()).toEqual([])
    await db.query(needsRelease(newest.version))
    expect(await db.migrate()).toEqual([])
    await db.query(needsRelease('99.0.1'))
    await expect(db.migrate()).rejects.toThrow(/run a newer release, 99\.0\.1 or later\.$/)
  })

  test('in several ways is rejected with all of them at once', async () => {
    await db.migrate()
    await db.query(set("checksum = 7, description = 'x'"))
    await db.query(`${add("'99', 'x', 'SQL', 'V99__x.sql', 7")}; ${needsRelease('99')}`)
    const refusal = await db.migrate().catch((error: Error) => error.message.split('\n'))
    expect(refusal).toHaveLength(3)
  })

  test('only in spelling or place is accepted', async () => {
    await db.migrate()
    await db.query(set("version = '1.1', script = 'sub/V1.1__find_by_postal_code.sql', checksum = null"))
    expect(await db.migrate()).toEqual([])
  })
})

describe("Flyway's other rows", () => {
  test('BASELINE: scripts up to its version are neither run nor compared', async () => {
    await db.makePredecessor(false)
    await db.query(`update housing.flyway_schema_history set version = '1', description = '<< Flyway Baseline >>',
      type = 'BASELINE', script = '<< Flyway Baseline >>', checksum = null`)
    expect(await db.migrate()).toEqual(scripts.slice(1).map((script) => `Applied ${script}.`))
    expect(await db.migrate()).toEqual([])
  })

  test('BASELINE at a version newer than this release is rejected', async () => {
    await db.makePredecessor(false)
    await db.query(`update housing.flyway_schema_history set version = '99', type = 'BASELINE', script = 'base'`)
    await expect(db.migrate()).rejects.toThrow('The database is at 99 (base), newer than this release')
  })

  test('DELETE: the script counts as not applied, whether or not its file exists', async () => {
    const extra = migration('9', 'create table if not exists housing.extra ()')
    await db.migrate([...migrations, extra])
    await db.query(`insert into housing.flyway_schema_history
      select installed_rank + 1, version, description, 'DELETE', script, checksum, installed_by, now(), 0, true
      from housing.flyway_schema_history where version = '9'`)
    expect(await db.migrate()).toEqual([])
    expect(await db.migrate([...migrations, extra])).toEqual(['Applied V9__for_a_test.sql.'])
    expect((await db.history()).at(-1)).toMatchObject({ installed_rank: rows().length + 3, type: 'SQL', version: '9' })
  })
})

describe('two migrators at once', () => {
  test('share the work: one applies, the other finds it done', async () => {
    const other = await openDatabase(db.settings)
    onTestFinished(() => other.close())
    const said: string[] = []
    await Promise.all([db.migrate(), bringUpOnce(other, migrations, { report: (line) => said.push(line) })]).then(
      ([mine]) => said.push(...mine),
    )
    expect(said.filter((line) => line.startsWith('Applied')).sort()).toEqual(
      scripts.map((name) => `Applied ${name}.`).sort(),
    )
    expect(await db.history()).toEqual([schemaRow, ...rows()])
    expect(await db.catalog()).toEqual(cleanCatalog)
  })

  test('the second one waits for the lock and says so', async () => {
    const holder = await openDatabase(db.settings)
    onTestFinished(() => holder.close())
    let waiting: Promise<string[]> | undefined
    await holder.withClient(async (client) => {
      await client.query('select pg_advisory_lock(77433578402685)')
      waiting = db.migrate()
      await sleep(500)
      expect(await db.query("select to_regnamespace('housing') as schema")).toEqual([{ schema: null }])
    })
    expect(await waiting).toEqual([
      'Another process is migrating this database; waiting until it has finished.',
      ...scripts.map((script) => `Applied ${script}.`),
    ])
  })
})

test('a role that owns the schema may migrate; without a schema it says what it may not do', async () => {
  const role = `migrator_${process.pid}`
  const asRole = await openDatabase({ ...db.settings, user: role, password: 'secret' } as typeof db.settings)
  await db.query(`create role ${role} login password 'secret'`)
  onTestFinished(async () => {
    await asRole.close()
  })
  const migrate = () => bringUpOnce(asRole, migrations)
  await expect(migrate()).rejects.toThrow(
    `The database lacks ${scripts.join(', ')}, which the role ${role} may not apply: permission denied for database`,
  )
  await db.query(`create schema housing authorization ${role}`)
  expect(await migrate()).toEqual({ found: newest.version, pending: [] })
  expect(await db.history()).toEqual(rows().map((row) => ({ ...row, installed_by: role })))
  await db.query(`drop owned by ${role}; drop role ${role}`)
})

test('a house has its version and its times even if it is written by SQL', async () => {
  await db.migrate()
  const read = async () =>
    (
      await db.query(
        'select version, created_at::text, updated_at::text, updated_at > created_at as later from housing.housing',
      )
    )[0]
  await db.query(`insert into housing.housing (address, street, city, postal_code, housing_type_id)
    values ('735', 'Broughton Street', 'Victoria', 'V8W 3H2', 4)`)
  const first = await read()
  expect(first).toMatchObject({ version: 1, updated_at: first.created_at })

  await db.query("update housing.housing set city = 'Victoria'")
  expect(await read(), 'a write that changes nothing is no version').toEqual(first)

  await db.query("begin; update housing.housing set city = 'a'; update housing.housing set city = 'b'; commit")
  const third = await read()
  expect(third).toMatchObject({ version: 3, created_at: first.created_at, later: true })

  await db.query("update housing.housing set updated_at = '2999-01-01', version = 77, created_at = '1999-01-01'")
  const fourth = await read()
  expect(fourth, 'nobody sets them by hand').toMatchObject({ version: 4, created_at: first.created_at })
  expect(fourth.updated_at > third.updated_at && fourth.updated_at < '2900').toBe(true)
})

test('the times of a house grow with its versions, even if the later of two transactions commits first', async () => {
  await db.migrate()
  await db.query(`insert into housing.housing (address, street, city, postal_code, housing_type_id)
    values ('735', 'Broughton Street', 'Victoria', 'V8W 3H2', 4)`)
  const times = 'select version, (updated_at - created_at)::text as age from housing.housing'
  const early = await openDatabase(db.settings)
  onTestFinished(() => early.close())
  await early.withClient(async (client) => {
    await client.query('begin')
    await sleep(20)
    await db.query("update housing.housing set city = 'late'")
    const [{ age }] = await db.query(times)
    await client.query("update housing.housing set city = 'early'")
    await client.query('commit')
    const [second] = await db.query(times)
    expect(second.version).toBe(3)
    expect(second.age > age, `${second.age} after ${age}`).toBe(true)
  })
})

test('an entry of the change log names the role that wrote it, unless it is older than the column', async () => {
  const insert = `insert into housing.housing (address, street, city, postal_code, housing_type_id)
    values ('735', 'Broughton Street', 'Victoria', 'V8W 3H2', 4)`
  const before = migrations.findIndex(({ version }) => version === '1.9.0')
  await db.migrate(migrations.slice(0, before))
  await db.query(insert)
  await db.migrate()
  await db.query(insert)
  const [{ role }] = await db.query('select session_user::text as role')
  expect(await db.query('select housing_id, db_role from housing.changes order by position')).toEqual([
    { housing_id: 1, db_role: null },
    { housing_id: 2, db_role: role },
  ])
})
