import { readFileSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import pg from 'pg'
import { from, to } from 'pg-copy-streams'
import { afterAll, expect, onTestFinished, test, vi } from 'vitest'
import { readConfig } from '../src/config/config.ts'
import { openDatabase } from '../src/database/open.ts'
import { bringUpOnce } from '../src/migrations/bring-up.ts'
import { readMigrations } from '../src/migrations/files.ts'
import { remote } from './support/http.ts'
import { insert, onServer } from './support/places.ts'
import { startPostgres } from './support/postgres.ts'
import { serve } from './support/program.ts'

vi.setConfig({ testTimeout: 120_000 })

const cluster = await startPostgres()
afterAll(cluster.stop)
let databases = 0

const operating = new URL('../docs/operating.md', import.meta.url)

type Place = Awaited<ReturnType<typeof onServer>>

/** A new database in another cluster. */
async function onOtherCluster(): Promise<Place> {
  const name = `restored_${++databases}`
  const url = Object.assign(new URL(cluster.url), { pathname: name }).href
  const connectTo = async (url: string) => {
    const client = new pg.Client(url)
    await client.connect()
    onTestFinished(() => client.end())
    return client
  }
  await (await connectTo(cluster.url)).query(`create database ${name}`)
  const connect = () => connectTo(url)
  return { env: { DATABASE_URL: url }, connect, query: async (sql) => (await connect()).query(sql) }
}

/** Loads what is in one database into another, which is empty, as pg_dump and psql do. */
async function restore(source: Place, target: Place): Promise<void> {
  const database = await openDatabase(readConfig(target.env).database)
  await bringUpOnce(database, readMigrations())
  await database.close()
  const [reader, writer] = [await source.connect(), await target.connect()]
  await reader.query('begin isolation level repeatable read')
  await writer.query('begin; set local session_replication_role = replica') // no triggers
  const tables = await reader.query(`select oid::regclass as name from pg_class
    where relnamespace = 'housing'::regnamespace and relkind = 'r' and relname <> 'flyway_schema_history'`)
  for (const { name } of tables.rows) {
    await writer.query(`delete from ${name}`)
    await pipeline(reader.query(to(`copy ${name} to stdout`)), writer.query(from(`copy ${name} from stdin`)))
  }
  const sequences = await reader.query(`select format('%I.%I', schemaname, sequencename) as name, last_value
    from pg_sequences where schemaname = 'housing' and last_value is not null`)
  for (const { name, last_value } of sequences.rows) await writer.query('select setval($1, $2)', [name, last_value])
  await writer.query('commit')
  await reader.query('commit')
}

/** A client of the feed, which knows only its position, wherever the API and its database are. */
function newClient() {
  const client = {
    position: 0,
    ask: (api: { url: string }, query = '') =>
      remote(api.url).get(`/api/v2/housing/changes?after=${client.position}${query}`),
    /** The versions that it gets until there are no more. */
    async follow(api: { url: string }): Promise<string[]> {
      const got: string[] = []
      for (;;) {
        const { status, body } = await client.ask(api)
        expect(status, body.detail).toBe(200)
        for (const { id, version } of body.items) got.push(`${id}-${version}`)
        if (body.next === client.position) return got
        client.position = body.next
      }
    },
  }
  return client
}

const update = (id: number) => `update housing.housing set address = address || '0' where id = ${id}`

/** As if the cluster had had so many more transactions before. */
const age = (transactions: number) => `
  set session_replication_role = replica;
  update housing.changes set transaction = (transaction::text::bigint + ${transactions})::text::xid8;
  update housing.feed_state set seen = (
    select format('%s:%s:%s', pg_snapshot_xmin(seen)::text::bigint + ${transactions},
      pg_snapshot_xmax(seen)::text::bigint + ${transactions},
      (select string_agg((xip::text::bigint + ${transactions})::text, ',') from pg_snapshot_xip(seen) xip))::pg_snapshot)`

/** Has so many transactions. */
const pass = (transactions: number) =>
  `do $$ begin for n in 1..${transactions} loop perform pg_current_xact_id(); commit; end loop; end $$`

test.each([
  { where: 'another cluster', place: onOtherCluster },
  { where: 'a younger cluster', place: onOtherCluster, source: age(10 ** 12) },
  { where: 'an older cluster', place: onOtherCluster, target: pass(20_000) },
  { where: 'another database of the cluster', place: onServer },
])('a client of the feed notices nothing of a restore into $where', async ({ place, source, target }) => {
  const { follow } = newClient()
  const old = await onServer()
  const api = await serve(old)
  await old.query(insert(3))
  const open = await old.connect()
  await open.query(`begin; ${update(1)}`)
  expect(await follow(api)).toEqual(['1-1', '2-1', '3-1'])
  await open.query('commit')
  await old.query(update(2))
  if (source) await old.query(source)

  const restored = await place()
  if (target) await restored.query(target)
  await restore(old, restored)
  const apiThere = await serve(restored)
  const writer = await restored.connect()
  await writer.query(`begin; ${update(3)}`)
  await restored.query(update(2))
  expect(await follow(apiThere)).toEqual(['1-2', '2-2', '2-3'])
  await writer.query('commit')
  await restored.query(`${insert(1)}; ${update(3)}`)
  expect(await follow(apiThere)).toEqual(['3-2', '4-1', '3-3'])
  expect(await follow(apiThere)).toEqual([])
})

test('a database that is dumped while many changes get their positions loses none', async () => {
  const { follow } = newClient()
  const old = await onServer()
  const api = await serve(old)
  await old.query(insert(1))
  await follow(api)
  const open = await old.connect()
  await open.query(`begin; ${update(1)}`)
  await old.query(insert(5))
  await old.query('select housing.number_changes(2)')
  await open.query('commit')
  await old.query(age(10 ** 12))
  const restored = await onOtherCluster()
  await restore(old, restored)
  const apiThere = await serve(restored)
  expect((await follow(apiThere)).sort()).toEqual(['1-2', '2-1', '3-1', '4-1', '5-1', '6-1'])
  await restored.query(update(1))
  expect(await follow(apiThere)).toEqual(['1-3'])
})

test('a database that is moved, and back before anybody reads the feed there, loses no change', async () => {
  const { follow } = newClient()
  const old = await onServer()
  const api = await serve(old)
  await old.query(pass(2000))
  await old.query(insert(1))
  await follow(api)
  const elsewhere = await onOtherCluster()
  await restore(old, elsewhere)
  await elsewhere.query(update(1))
  const back = await onServer()
  await restore(elsewhere, back)
  expect(await follow(await serve(back))).toEqual(['1-2'])
})

test('a client that has seen more than a backup has is told to export again, and others go on', async () => {
  const [ahead, behind] = [newClient(), newClient()]
  const [old, restored] = [await onServer(), await onOtherCluster()]
  const api = await serve(old)
  await old.query(insert(1))
  await behind.follow(api)
  await restore(old, restored)
  await old.query(insert(2))
  expect(await ahead.follow(api)).toEqual(['1-1', '2-1', '3-1'])

  const moveOn = readFileSync(operating, 'utf8').match(/^select setval.*;$/m)
  await restored.query(String(moveOn))
  const apiThere = await serve(restored)
  const goneFor = async (query: string) =>
    expect(await ahead.ask(apiThere, query)).toMatchObject({
      status: 410,
      body: {
        code: 'position-gone',
        detail: expect.stringContaining('Export the houses again, and go on from its Feed-Position.'),
      },
    })
  await goneFor('')
  const waiting = behind.ask(apiThere, '&wait=30')
  await behind.ask(apiThere, '&wait=1') // the API now follows the feed for those who wait
  await restored.query(insert(5)) // as many as could take the positions that the other feed gave
  expect((await waiting).body.items).not.toEqual([])
  await goneFor('')
  await goneFor('&wait=1')
  expect(await behind.follow(apiThere)).toEqual(['2-1', '3-1', '4-1', '5-1', '6-1'])

  const exported = await fetch(`${apiThere.url}/api/v2/housing/export?format=csv`)
  expect((await exported.text()).trim().split('\n')).toHaveLength(1 + 6)
  ahead.position = Number(exported.headers.get('feed-position'))
  await restored.query(update(1))
  expect(await ahead.follow(apiThere)).toEqual(['1-2'])
})
