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

/** Settings for a migrated embedded database; it is removed at the end of the test. */
export async function embedded() {
  const { settings, drop } = await ownFolder()
  onTestFinished(drop)
  return { env: { DATA_DIR: settings.folder }, folder: settings.folder }
}
