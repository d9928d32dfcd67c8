import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { onTestFinished } from 'vitest'
import { ownDatabase, ownFolder } from './api.ts'

/** Settings for a new database, and a function to query it; it is dropped at the end of the test. */
export async function onServer() {
  const { url, drop } = await ownDatabase()
  /** A connection that lasts until the end of the test. */
  const connect = async () => {
    const client = new pg.Client(url)
    client.on('error', () => {}) // the database is dropped
    await client.connect()
    return client
  }
  const query = async (sql: string) => {
    const client = await connect()
    return client.query(sql).finally(() => client.end())
  }
  onTestFinished(drop)
  return { env: { DATABASE_URL: url }, query, connect }
}

/** SQL for a trigger that takes so many seconds, such as `before insert on housing.housing for each row`. */
export const slow = (seconds: number, event: string) => `
  create function public.slow() returns trigger language plpgsql as $$ begin
    perform pg_sleep(${seconds}); return new; end $$;
  create trigger slow ${event} execute function public.slow()`

/** SQL that stores so many houses. */
export const insert = (
  houses: number,
) => `insert into housing.housing (address, street, city, postal_code, housing_type_id)
  select n, 'Main Street', 'Victoria', 'V8W 1P6', 1 from generate_series(1, ${houses}) n`

/** A role that may read everything in this migrated database, and its settings; it is dropped at the end of the test. */
export async function readerOf({ env, query }: Pick<Awaited<ReturnType<typeof onServer>>, 'env' | 'query'>) {
  const url = new URL(env.DATABASE_URL)
  const role = `reader_of_${url.pathname.slice(1)}`
  await query(`create role ${role} login; grant usage on schema housing to ${role};
    grant select on all tables in schema housing to ${role}`)
  onTestFinished(async () => {
    await query(`drop owned by ${role}; drop role ${role}`)
  })
  url.username = role
  return { role, env: { DATABASE_URL: url.href } }
}

/** Settings for a migrated embedded database; it is removed at the end of the test. */
export const embedded = async () => ({ env: { DATA_DIR: await dataFolder() } })

/** The folder of a migrated embedded database; it is removed at the end of the test. */
export async function dataFolder(): Promise<string> {
  const { settings, drop } = await ownFolder()
  onTestFinished(drop)
  return settings.folder
}

/** An empty folder; it is removed at the end of the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sample-api-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  return folder
}
