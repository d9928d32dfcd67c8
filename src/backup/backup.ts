import { createHash } from 'node:crypto'
import type { ClientBase } from 'pg'
import { liftTimeouts } from '../migrations/apply.ts'
import { ask } from '../migrations/history.ts'
import { BackupRefused, type Contents, format, type Header, Lines, readBackup } from './format.ts'
import {
  continueFeed,
  deleteReplaceable,
  disableTriggers,
  enableTriggers,
  findFilled,
  findTables,
  insertRows,
  readRows,
  readSequences,
  setSequence,
  type Table,
} from './queries.ts'

/** How many rows each table has. */
export type Counts = Record<string, number>

/** The lines of a backup, as the database is at one instant. Enters into `counts` what it has written. */
export async function* writeBackup(
  client: ClientBase,
  { release, schema }: Pick<Header, 'release' | 'schema'>,
  counts: Counts,
): AsyncGenerator<string> {
  const lines = new Lines()
  await liftTimeouts(client)
  await client.query('begin isolation level repeatable read read only')
  const [{ at, postgres }] = await ask(client, "select now() as at, current_setting('server_version') as postgres")
  yield lines.begin({ format, release, schema, at, postgres })
  for (const table of await findTables(client)) {
    yield lines.beginTable({ name: table.name, columns: table.columns })
    for await (const rows of readRows(client, table)) yield lines.rows(rows)
    const { has, line } = lines.endTable()
    counts[table.name] = has.count
    yield line
  }
  // They are read last, as no snapshot holds them still: they are never behind the rows.
  yield lines.sequences(await readSequences(client))
  yield lines.end()
  await client.query('commit')
}

/** Rejects where a restore would meet data. */
export async function requireEmpty(client: ClientBase): Promise<void> {
  const filled = await findFilled(client)
  if (filled.length > 0)
    throw new BackupRefused(
      `The database is not empty: ${filled.map((name) => `housing.${name}`).join(', ')} ${filled.length > 1 ? 'have' : 'has'} rows. Restore into a new database, or into another DATA_DIR.`,
    )
}

/** Stores what a backup contains in one transaction, and compares what is stored then with the backup. */
export async function restoreBackup(client: ClientBase, file: string): Promise<Contents> {
  await liftTimeouts(client)
  await client.query('begin')
  try {
    const tables = await findTables(client)
    await disableTriggers(client, tables)
    await requireEmpty(client)
    await deleteReplaceable(client)
    const contents = await readBackup(file, async ({ name, columns }, rows) => {
      await insertRows(client, { name: known(tables, name).name, columns }, rows)
    })
    for (const stored of contents.tables)
      await compare(client, { ...known(tables, stored.name), columns: stored.columns }, stored)
    for (const [name, last] of Object.entries(contents.sequences)) await setSequence(client, name, last)
    await continueFeed(client)
    await enableTriggers(client, tables)
    await client.query('commit')
    return contents
  } catch (error) {
    await client.query('rollback').catch(() => {}) // a dead connection has rolled back already
    throw error
  }
}

function known(tables: Table[], name: string): Table {
  const table = tables.find((table) => table.name === name)
  if (table) return table
  throw new BackupRefused(
    `The backup has a table ${name}, which this release does not know. Use the release that wrote it.`,
  )
}

/** Rejects unless a table has exactly the rows of the backup. */
async function compare(client: ClientBase, table: Table, { count, sha256 }: Contents['tables'][number]): Promise<void> {
  const hash = createHash('sha256')
  let found = 0
  for await (const rows of readRows(client, table)) {
    hash.update(`${rows.join('\n')}\n`)
    found += rows.length
  }
  if (found === count && hash.digest('hex') === sha256) return
  throw new BackupRefused(
    `After the restore, housing.${table.name} has ${found} rows that are not the ${count} of the backup. Nothing was kept.`,
  )
}
