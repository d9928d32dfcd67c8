import { connect, createServer, type Socket } from 'node:net'
import { Transform, type Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import pg from 'pg'
import { afterAll, expect, inject, onTestFinished, test } from 'vitest'
import type { ServerSettings } from '../src/config/database-settings.ts'
import { openDatabase } from '../src/database/open.ts'
import { bringUpOnce } from '../src/migrations/bring-up.ts'
import { readMigrations } from '../src/migrations/files.ts'
import { apiOver, ownDatabase } from './support/api.ts'
import { freePort } from './support/postgres.ts'

const types = '/api/v2/housing-types'
const soon = { timeout: 10_000 }

const { url, drop, ...own } = await ownDatabase()
const settings = own.settings as ServerSettings
const database = await openDatabase(settings)
await bringUpOnce(database, readMigrations())
await database.close()

const sql = new pg.Client(url)
await sql.connect()
afterAll(async () => {
  await sql.end()
  await drop()
})

type Kind = 'listening' | 'others'

/** A proxy to the server that can hold back what the server sends, on listening connections or on the others. */
async function openLine(outlet: (to: Socket) => Writable = (to) => to) {
  const pairs: { kind: Kind; from: Socket; to: Writable }[] = []
  const server = createServer((client) => {
    const from = connect(settings.port, settings.host)
    client.pipe(from)
    client.once('data', (startup) => {
      const to = outlet(client)
      pairs.push({ kind: startup.includes('sample-api listener') ? 'listening' : 'others', from, to })
      from.pipe(to)
    })
    client.on('error', () => {}).on('close', () => from.destroy())
    from.on('error', () => {}).on('close', () => client.destroy())
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  onTestFinished(() => void server.close())
  const all = (kind: Kind) => pairs.filter((pair) => pair.kind === kind)
  return {
    port: (server.address() as { port: number }).port,
    hold: (kind: Kind) => all(kind).forEach(({ from, to }) => void from.unpipe(to)),
    release: (kind: Kind) => all(kind).forEach(({ from, to }) => void from.pipe(to)),
  }
}

/** Passes on every message of the server except notices, as a pooler that shares connections between transactions. */
function withoutNotices(to: Socket): Writable {
  let bytes = Buffer.alloc(0)
  const filter = new Transform({
    transform(chunk, _encoding, done) {
      bytes = Buffer.concat([bytes, chunk])
      const end = () => (bytes.length < 5 ? Number.POSITIVE_INFINITY : 1 + bytes.readInt32BE(1))
      for (; bytes.length >= end(); bytes = bytes.subarray(end()))
        if (bytes[0] !== 'A'.charCodeAt(0)) this.push(bytes.subarray(0, end()))
      done()
    },
  })
  filter.pipe(to)
  return filter
}

/** An API that reaches the server at this port, and its messages about listening. */
async function startApi(port = settings.port) {
  const database = await openDatabase({ ...settings, port })
  const said: string[] = []
  const app = await apiOver({ ...database, listen: (channel) => database.listen(channel, (line) => said.push(line)) })
  const close = async () => {
    await app.close()
    await database.close()
  }
  onTestFinished(close)
  return { app, said, close }
}

const describe = (description: string) =>
  sql.query("update housing.housing_types set description = $1 where code = 'COP'", [description])

const description = async (app: FastifyInstance) => (await app.inject(`${types}/COP`)).json().description

/** Whether it answers while the table is locked. */
async function answersFromMemory(app: FastifyInstance): Promise<boolean> {
  await app.inject(types)
  await sql.query('begin; lock table housing.housing_types in access exclusive mode')
  const answer = app.inject(types).then(({ statusCode }) => statusCode === 200)
  const answered = await Promise.race([answer, sleep(500, false)])
  await sql.query('rollback')
  await answer
  return answered
}

const inMemory = (app: FastifyInstance, expected = true) =>
  expect.poll(() => answersFromMemory(app), soon).toBe(expected)

/** Allows or rejects new connections to the database; existing ones stay. */
async function allowConnections(allow: boolean): Promise<void> {
  const client = new pg.Client(inject('serverUrl'))
  await client.connect()
  await client.query(`alter database ${settings.database} with allow_connections ${allow}`)
  await client.end()
}

const listeners = async () => {
  const { rows } = await sql.query(
    "select pid from pg_stat_activity where datname = current_database() and application_name = 'sample-api listener'",
  )
  return rows.map(({ pid }) => pid)
}

const begins = 'Listening for changes to housing_types; answering from memory'
const ends = expect.stringMatching(
  /^Not listening for changes to housing_types; reading the database for each answer: ./,
)

test('without its listening connection no answer is stale, and with a new one memory is used again', async () => {
  const { app, said } = await startApi()
  await inMemory(app)
  onTestFinished(() => allowConnections(true))
  await allowConnections(false)
  for (const pid of await listeners()) await sql.query('select pg_terminate_backend($1)', [pid])
  await inMemory(app, false)
  for (const unheard of ['Unheard', 'Unheard as well']) {
    await describe(unheard)
    expect(await description(app)).toBe(unheard)
  }
  await allowConnections(true)
  await inMemory(app)
  expect(await description(app)).toBe('Unheard as well')
  await describe('Heard')
  await expect.poll(() => description(app), soon).toBe('Heard')
  expect(said).toEqual([begins, ends, begins])
})

test('a listening connection that died silently is not trusted', async () => {
  const line = await openLine()
  const { app } = await startApi(line.port)
  await inMemory(app)
  line.hold('listening')
  await describe('Behind its back')
  // Sooner than the dead connection itself is detected.
  await expect.poll(() => description(app), { timeout: 4000 }).toBe('Behind its back')
  await describe('Once more')
  expect(await description(app)).toBe('Once more')
  line.release('listening')
  await inMemory(app)
  expect(await description(app)).toBe('Once more')
})

test('types read before a change are not kept if they arrive after the notice of that change', async () => {
  const line = await openLine()
  const { app } = await startApi(line.port)
  await inMemory(app)
  line.hold('others')
  await describe('Before')
  let reading: Promise<unknown>
  do
    reading = description(app) // until it is no longer answered from memory
  while (await Promise.race([reading.then(() => true), sleep(200, false)]))
  await describe('After')
  await sleep(300) // long enough for the notice
  line.release('others')
  await reading
  await inMemory(app)
  expect(await description(app)).toBe('After')
})

test('behind a pooler that delivers no notices each answer reads the database', async () => {
  const line = await openLine(withoutNotices)
  const { app, said } = await startApi(line.port)
  await expect.poll(() => said, { timeout: 20_000 }).toEqual([ends])
  expect(await answersFromMemory(app)).toBe(false)
  for (const change of ['One', 'Two']) {
    await describe(change)
    expect(await description(app)).toBe(change)
  }
})

test('the listening connection ends with the API', async () => {
  const { app, said, close } = await startApi()
  await inMemory(app)
  expect(await listeners()).toHaveLength(1)
  await close()
  await expect.poll(listeners, soon).toEqual([])
  expect(said).toEqual([begins])
})

test('while the server is absent nothing is said about listening', async () => {
  const { app, said } = await startApi(await freePort())
  expect((await app.inject(types)).statusCode).toBe(503)
  await sleep(1000)
  expect((await app.inject(types)).statusCode).toBe(503)
  expect(said).toEqual([])
})
