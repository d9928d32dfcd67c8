import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientBase } from 'pg'
import { isForbidden, isPassing, isSqlError } from '../database/errors.ts'
import { type Migration, MigrationError } from './files.ts'
import {
  ask,
  compareHistory,
  type HistoryRow,
  isPredecessors,
  predecessor,
  readHistory,
  readOldestRelease,
  recordHistory,
  type SchemaStatus,
} from './history.ts'

type Report = (line: string) => void

/** Flyway's advisory lock for `"housing"."flyway_schema_history"`: one process migrates at a time, Flyway included. */
const lockKey = '77433578402685'

/** Compares the database with the migrations, changing nothing. Throws a {@link MigrationError} where they disagree. */
export async function inspectSchema(client: ClientBase, migrations: Migration[]): Promise<SchemaStatus> {
  const [table] = await ask(client, "select to_regclass('housing.flyway_schema_history') is not null as exists")
  if (!table.exists) return compareHistory([], migrations)
  return compareHistory(await readHistory(client), migrations, await readOldestRelease(client))
}

/** Applies what is missing, each script and its row of the history in one transaction, and reports each step. */
export async function migrate(client: ClientBase, migrations: Migration[], report: Report): Promise<void> {
  await liftTimeouts(client)
  await lockHistory(client, report)
  try {
    await createHistory(client)
    const history = await readHistory(client)
    for (const migration of compareHistory(history, migrations, await readOldestRelease(client)).pending) {
      const row = migration.version === predecessor.version && history.find(isPredecessors)
      if (row) await takeOver(client, row, migration)
      else await apply(client, migration)
      report(
        row
          ? `Adopted a database of the Python version: its ${row.script} created the same schema as this release's.`
          : `Applied ${migration.script}.`,
      )
    }
  } finally {
    await client.query('select pg_advisory_unlock($1)', [lockKey]).catch(() => {}) // a dead session holds nothing
  }
}

/** The server, the database or the role may limit sessions, but a script on a large table, or a backup, takes minutes. */
export const liftTimeouts = (client: ClientBase) =>
  ask(
    client,
    `select set_config(name, '0', false) from pg_settings where name in (
      'statement_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')`,
  )

/** Polls, as Flyway does: a waiting call would hold a snapshot that stalls concurrent index builds. */
async function lockHistory(client: ClientBase, report: Report): Promise<void> {
  for (let attempt = 0; attempt <= 50; attempt++) {
    if (attempt === 1) report('Another process is migrating this database; waiting until it has finished.')
    if (attempt > 0) await sleep(1000)
    const [lock] = await ask(client, 'select pg_try_advisory_lock($1) as taken', [lockKey])
    if (lock.taken) return
  }
  throw new Error(
    "Another process has been migrating this database for 50 seconds; nothing was changed here. Wait until it has finished, or find it: `select pid from pg_locks where locktype = 'advisory' and classid = 18028`.",
  )
}

async function createHistory(client: ClientBase): Promise<void> {
  const { rows } = await client.query(`
    with thing as (
      select oid from pg_class where relnamespace = to_regnamespace('housing')
      union all select oid from pg_type where typnamespace = to_regnamespace('housing')
      union all select oid from pg_proc where pronamespace = to_regnamespace('housing')
    )
    select to_regnamespace('housing') is not null as schema,
      to_regclass('housing.flyway_schema_history') is not null as history,
      exists (select from thing where oid not in (select objid from pg_depend where deptype = 'e')) as content`)
  const { schema, history, content } = rows[0]
  if (history) return
  if (content)
    throw new MigrationError([
      'The schema housing has content but no flyway_schema_history. If the content is that of V1.0.0, run `flyway baseline -baselineVersion=1.0.0 -defaultSchema=housing`; otherwise use another database.',
    ])
  await inTransaction(client, async () => {
    if (!schema) await client.query('create schema housing')
    await client.query(`
      create table housing.flyway_schema_history (
        installed_rank integer not null,
        version varchar(50),
        description varchar(200) not null,
        type varchar(20) not null,
        script varchar(1000) not null,
        checksum integer,
        installed_by varchar(100) not null,
        installed_on timestamp not null default now(),
        execution_time integer not null,
        success boolean not null
      );
      alter table housing.flyway_schema_history
        add constraint flyway_schema_history_pk primary key (installed_rank);
      create index flyway_schema_history_s_idx on housing.flyway_schema_history (success)`)
    if (schema) return
    const creation = { type: 'SCHEMA', description: '<< Flyway Schema Creation >>', script: '"housing"' }
    await recordHistory(client, { ...creation, version: null, checksum: null, execution_time: 0 })
  })
}

/** Makes the predecessor's row ours, as `flyway repair` would, once its tables prove to be the same. */
async function takeOver(client: ClientBase, row: HistoryRow, { checksum, description }: Migration): Promise<void> {
  const { rows } = await client.query(`
    with tables as (
      select oid, relname from pg_class
      where oid in (to_regclass('housing.housing_types'), to_regclass('housing.housing'))
    )
    select format('%s.%s %s', relname, attname, format_type(atttypid, atttypmod))
      || case when attnotnull then ' not null' else '' end || case when atthasdef then ' default' else '' end as fact
    from pg_attribute join tables on tables.oid = attrelid
    where attnum > 0 and not attisdropped
    union all
    select format('%s %s (%s)', relname,
      case contype when 'p' then 'primary key' when 'u' then 'unique' else conname end,
      (select string_agg(attname, ', ') from pg_attribute where attrelid = conrelid and attnum = any (conkey)))
    from pg_constraint join tables on tables.oid = conrelid
    where contype in ('p', 'u', 'f')`)
  const found = rows.map(({ fact }) => fact)
  const missing = predecessorTables.filter((fact) => !found.includes(fact))
  const unexpected = found.filter((fact) => !predecessorTables.includes(fact))
  if (missing.length + unexpected.length > 0)
    throw new MigrationError([
      `The history says that the Python version's ${row.script} was applied, but the tables differ from it. Missing: ${missing.join('; ') || 'nothing'}. Unexpected: ${unexpected.join('; ') || 'nothing'}. Change them back, then start again.`,
    ])
  await client.query(
    'update housing.flyway_schema_history set checksum = $1, description = $2 where installed_rank = $3',
    [checksum, description, row.installed_rank],
  )
}

const predecessorTables = [
  'housing_types.id integer not null default',
  'housing_types.code character(3) not null',
  'housing_types.description character varying(50) not null',
  'housing_types primary key (id)',
  'housing_types unique (code)',
  'housing.id integer not null default',
  'housing.address character varying(50) not null',
  'housing.street character varying(50) not null',
  'housing.city character varying(50) not null',
  'housing.postal_code character(7) not null',
  'housing.housing_type_id integer not null',
  'housing primary key (id)',
  'housing fk_housing_type (housing_type_id)',
]

async function apply(client: ClientBase, migration: Migration): Promise<void> {
  const { script, sql } = migration
  const begun = performance.now()
  await inTransaction(client, async () => {
    await client.query('set local search_path = housing, pg_catalog, pg_temp') // no function of another schema
    await client.query(sql).catch((error) => {
      if (!isSqlError(error) || isPassing(error) || isForbidden(error)) throw error
      const at = error.position ? `, line ${sql.slice(0, Number(error.position)).split('\n').length}` : ''
      throw new MigrationError([
        `${script}${at}: ${error.message} (SQLSTATE ${error.code}). It was rolled back; the database is as it was before this script.`,
      ])
    })
    await recordHistory(client, { ...migration, type: 'SQL', execution_time: Math.round(performance.now() - begun) })
  })
}

async function inTransaction(client: ClientBase, work: () => Promise<void>): Promise<void> {
  await client.query('begin')
  try {
    await work()
    await client.query('commit')
  } catch (error) {
    await client.query('rollback').catch(() => {}) // a dead connection has rolled back already
    throw error
  }
}
