import type { ClientBase } from 'pg'
import { ask } from '../../migrations/history.ts'

const one = async <T>(client: ClientBase, text: string): Promise<T> => (await ask(client, text))[0]

export const findServer = (client: ClientBase) =>
  one<{ role: string; version: string; number: number; size: string }>(
    client,
    `select current_user as role, current_setting('server_version') as version,
      current_setting('server_version_num')::integer as number,
      pg_size_pretty(pg_database_size(current_database())) as size`,
  )

export const findEncoding = (client: ClientBase) =>
  one<{ encoding: string; name: string; ctype: string }>(
    client,
    `select pg_encoding_to_char(encoding) as encoding, datname as name, datctype as ctype
     from pg_database where datname = current_database()`,
  )

/** Whether the rules for upper and lower case of a database in UTF-8 know more letters than ASCII has. */
export const knowsAccents = async (client: ClientBase): Promise<boolean> =>
  (await one<{ known: boolean }>(client, 'select lower(chr(201)) = chr(233) as known')).known

/** In milliseconds since 1970. */
export const findTime = async (client: ClientBase): Promise<number> =>
  Number((await one<{ now: string }>(client, 'select extract(epoch from clock_timestamp()) * 1000 as now')).now)

/** Whether this role owns the tables, or is a superuser; undefined without the tables. */
export const ownsTables = async (client: ClientBase): Promise<boolean | undefined> =>
  (
    await ask(
      client,
      `select pg_has_role(relowner, 'usage') as owns from pg_class
       where relnamespace = to_regnamespace('housing') and relname = 'housing'`,
    )
  )[0]?.owns

/** Every right on what is in the schema, such as `insert (city) on housing.housing`, and whether this role has it. */
export const findRights = (client: ClientBase): Promise<{ right: string; held: boolean }[]> =>
  ask(
    client,
    `with things as (
      select oid, relkind, 'housing.' || relname as name from pg_class
      where relnamespace = to_regnamespace('housing')
    )
    select p || ' on ' || name as right, has_table_privilege(oid, p) as held
      from things, unnest(array['select', 'insert', 'update', 'delete', 'truncate']) p where relkind = 'r'
    union all
    select p || ' (' || attname || ') on ' || name, has_column_privilege(things.oid, attnum, p)
      from things join pg_attribute on attrelid = things.oid and attnum > 0 and not attisdropped,
        unnest(array['select', 'insert', 'update']) p where relkind = 'r'
    union all
    select 'usage on ' || name, has_sequence_privilege(oid, 'usage') from things where relkind = 'S'
    union all
    select 'usage on schema ' || nspname, has_schema_privilege(oid, 'usage') from pg_namespace where nspname = 'housing'
    union all
    select 'execute on function housing.' || proname, has_function_privilege(oid, 'execute') from pg_proc
      where pronamespace = to_regnamespace('housing') and prorettype <> 'trigger'::regtype`,
  )

export const findIndexes = (client: ClientBase): Promise<{ name: string; valid: boolean }[]> =>
  ask(
    client,
    `select relname as name, indisvalid and indisready as valid from pg_index join pg_class on oid = indexrelid
     where relnamespace = to_regnamespace('housing')`,
  )

/** Named `<table>.<trigger>`; also those that Postgres makes for foreign keys. */
export const findTriggers = (client: ClientBase): Promise<{ name: string; enabled: boolean }[]> =>
  ask(
    client,
    `select 'housing.' || relname || '.' || tgname as name, tgenabled <> 'D' as enabled
     from pg_trigger join pg_class on pg_class.oid = tgrelid where relnamespace = to_regnamespace('housing')`,
  )

/** Reads every row of every table. Rejects where Postgres finds that one is damaged. */
export async function readEverything(client: ClientBase): Promise<void> {
  const tables = await ask(
    client,
    `select format('%I.%I', 'housing', relname) as name from pg_class
     where relnamespace = to_regnamespace('housing') and relkind = 'r'`,
  )
  for (const { name } of tables) await client.query(`select max(length(t::text)) from ${name} t`)
}
