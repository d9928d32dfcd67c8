import pg, { type ClientBase } from 'pg'
import { ask } from '../migrations/history.ts'

/** A table that a backup contains. */
export interface Table {
  name: string
  columns: string[]
  /** What its rows are ordered by, as SQL: the same order on every server. */
  key: string[]
  /** The tables that its foreign keys name. */
  parents: string[]
}

/** What a backup leaves out: the history of migrations, and the stored answers. Unlogged tables have no data to keep. */
const leftOut = ['flyway_schema_history', 'idempotency_keys']

/** The tables that a backup contains, each after those that its foreign keys name. */
export async function findTables(client: ClientBase): Promise<Table[]> {
  const tables: Table[] = await ask(
    client,
    `select c.relname as name,
      array(select attname::text from pg_attribute
        where attrelid = c.oid and attnum > 0 and not attisdropped and attgenerated = '' order by attnum) as columns,
      array(select quote_ident(attname) || case when attcollation <> 0 then ' collate "C"' else '' end
        from pg_index, unnest(indkey::int2[]) with ordinality as k (number, place)
          join pg_attribute on attrelid = c.oid and attnum = number
        where indrelid = c.oid and indisprimary order by place) as key,
      array(select p.relname::text from pg_constraint join pg_class p on p.oid = confrelid
        where conrelid = c.oid and contype = 'f' and p.oid <> c.oid) as parents
     from pg_class c
     where relnamespace = to_regnamespace('housing') and relkind = 'r' and relpersistence = 'p' and relname <> all ($1)
     order by relname`,
    [leftOut],
  )
  const ordered = new Set<Table>()
  const add = (table: Table) => {
    for (const parent of tables) if (table.parents.includes(parent.name) && !ordered.has(parent)) add(parent)
    ordered.add(table)
  }
  for (const table of tables) add(table)
  return [...ordered]
}

/** How many rows are read and written at a time. */
export const atOnce = 1000

/** The rows of a table, a JSON object each, in the order of its key. */
export async function* readRows(client: ClientBase, { name, columns, key }: Table): AsyncGenerator<string[]> {
  const order = key.length > 0 ? `order by ${key.join(', ')}` : ''
  await client.query(`declare rows no scroll cursor for
    select row_to_json(t)::text as row from (select ${listOf(columns)} from ${quoted(name)} ${order}) t`)
  for (;;) {
    const { rows } = await client.query(`fetch ${atOnce} from rows`)
    if (rows.length === 0) break
    yield rows.map(({ row }) => row)
  }
  await client.query('close rows')
}

/** Stores rows as {@link readRows} gives them. */
export const insertRows = (client: ClientBase, { name, columns }: Pick<Table, 'name' | 'columns'>, rows: string[]) =>
  client.query(
    `insert into ${quoted(name)} (${listOf(columns)}) overriding system value
     select ${listOf(columns)} from json_populate_recordset(null::${quoted(name)}, $1::json)`,
    [`[${rows.join(',')}]`],
  )

/** The last value of each sequence; null for one that has given none yet. */
export async function readSequences(client: ClientBase): Promise<Record<string, string | null>> {
  const names = await ask(
    client,
    `select relname as name from pg_class where relnamespace = to_regnamespace('housing') and relkind = 'S' order by 1`,
  )
  const values: Record<string, string | null> = {}
  for (const { name } of names) {
    const [{ last, called }] = await ask(
      client,
      `select last_value::text as last, is_called as called from ${quoted(name)}`,
    )
    values[name] = called ? last : null
  }
  return values
}

export const setSequence = (client: ClientBase, name: string, last: string | null) =>
  ask(client, 'select setval($1::regclass, $2::bigint, $3)', [quoted(name), last ?? '1', last !== null])

/** What migrations and the API write by themselves; a restore replaces it. */
const replaceable: Record<string, string> = {
  feed_state: 'true',
  housing_types: `(code, description) in (values ('SFD', 'Single Family Housing'), ('ASL', 'Assisted Living'),
    ('MFD', 'Multi Family Housing'), ('COP', 'Co-Op Housing'))`,
}

/** The names of the tables that have rows which a restore would have to delete or mix. */
export async function findFilled(client: ClientBase): Promise<string[]> {
  const tables = await ask(
    client,
    `select relname as name from pg_class
     where relnamespace = to_regnamespace('housing') and relkind = 'r' and relname <> 'flyway_schema_history' order by 1`,
  )
  const filled: string[] = []
  for (const { name } of tables) {
    const [{ has }] = await ask(
      client,
      `select exists (select from ${quoted(name)} where not (${replaceable[name] ?? 'false'})) as has`,
    )
    if (has) filled.push(name)
  }
  return filled
}

/** Locks out all writers, and keeps triggers from writing and checking, until the transaction ends or `enableTriggers`. */
export async function disableTriggers(client: ClientBase, tables: Table[]): Promise<void> {
  for (const { name } of tables) await client.query(`alter table ${quoted(name)} disable trigger user`)
}

export async function enableTriggers(client: ClientBase, tables: Table[]): Promise<void> {
  for (const { name } of tables) await client.query(`alter table ${quoted(name)} enable trigger user`)
  await client.query('notify housing_types; notify api_keys')
}

export async function deleteReplaceable(client: ClientBase): Promise<void> {
  for (const name of Object.keys(replaceable)) await client.query(`delete from ${quoted(name)}`)
}

/**
 * Makes the feed go on: changes without a position get one, whatever cluster the snapshots are from; and new positions are
 * higher than any that a client may have seen after the backup (docs/operating.md).
 */
export const continueFeed = (client: ClientBase) =>
  client.query(`update housing.feed_state set origin = null;
    select setval(pg_get_serial_sequence('housing.feed', 'position'),
      greatest((extract(epoch from clock_timestamp()) * 1000)::bigint, (select max(position) from housing.feed)))`)

const quoted = (name: string) => `housing.${pg.escapeIdentifier(name)}`
const listOf = (columns: string[]) => columns.map((name) => pg.escapeIdentifier(name)).join(', ')
