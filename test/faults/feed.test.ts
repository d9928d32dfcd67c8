import { connect } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { follow } from '../support/events.ts'
import { remote } from '../support/http.ts'
import { onServer, slow } from '../support/places.ts'
import { freePort, startPostgres } from '../support/postgres.ts'
import { serve } from '../support/program.ts'
import { isLong, rounds } from '../support/rounds.ts'

vi.setConfig({ testTimeout: 180_000 * rounds })

const changes = '/api/v2/housing/changes'
const patient = { timeout: 60_000 }

const houses = (count: number) => `insert into housing.housing (address, street, city, postal_code, housing_type_id)
  select i, repeat('漢', 50), repeat('😀', 50), 'V8W 1P6', 1 from generate_series(1, ${count}) i`

/** The positions in the feed after a position, as pages have them. */
async function pages(url: string, after = 0): Promise<number[]> {
  const { items, next } = (await remote(url).get(`${changes}?limit=1000&after=${after}`)).body
  const positions = items.map(({ position }: { position: number }) => position)
  return next === after ? positions : [...positions, ...(await pages(url, next))]
}

/** A connection that asks for events and reads none. */
function deaf(port: number) {
  const socket = connect(port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => {})
  socket.write(`GET ${changes} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`)
  return socket
}

test('clients that do not read miss no change, and others notice nothing', async () => {
  const count = isLong ? 100_000 : 20_000
  const { env, query } = await onServer()
  const program = await serve({ env })
  const others = follow(program.url + changes)
  await query(houses(count))
  await expect.poll(() => others.positions().length, patient).toBe(count)
  const clients = Array.from({ length: 20 }, () => deaf(program.port))
  const again = follow(program.url + changes)
  await expect.poll(() => again.positions().length, patient).toBe(count)
  expect(again.positions()).toEqual(others.positions())

  const cutOff = () => program.lines().filter(({ url }) => url === changes).length
  if (isLong) await expect.poll(cutOff, { timeout: 120_000 }).toBe(20) // Node lets twice the limit pass
  expect([...others.statuses, ...again.statuses]).toEqual([200, 200])
  const received = String(clients[0]?.read())
  const last = Number([...received.matchAll(/^id: (\d+)\n.*\n.*\n\n/gm)].at(-1)?.[1])
  const resumed = follow(`${program.url}${changes}?after=${last}`)
  const rest = others.positions().slice(others.positions().indexOf(last) + 1)
  await expect.poll(() => resumed.positions().length, patient).toBe(rest.length)
  expect(resumed.positions()).toEqual(rest)
})

test('many changes on a slow database: the first reads may be a 504, later ones go on from there', async () => {
  const { env, query } = await onServer()
  const { url } = await serve({ env })
  await query(houses(6000))
  await query(slow(0.001, 'before insert on housing.feed for each row'))
  await expect.poll(async () => (await remote(url).get(changes)).status, patient).toBe(200)
  await expect.poll(async () => (await pages(url)).length, patient).toBe(6000)
})

test('SIGTERM tells every listener, also one that only just connects, and waits for none that does not read', async () => {
  const { env, query, connect } = await onServer()
  const program = await serve({ env: { ...env, DRAIN_SECONDS: '2' } })
  const { get } = remote(program.url)
  await query(houses(10_000))
  deaf(program.port)
  const url = program.url + changes
  const first = follow(url)
  await expect.poll(() => first.positions().length, patient).toBe(10_000)
  const last = first.positions().at(-1)
  const listeners = [first, ...Array.from({ length: 20 }, () => follow(`${url}?after=${last}`))]
  await expect.poll(() => listeners.every(({ statuses }) => statuses.length === 1), patient).toBe(true)
  const waiting = Array.from({ length: 20 }, () => get(`${changes}?wait=30&after=${last}`))
  program.signal('SIGTERM')
  await program.says('SIGTERM')
  // Its position is looked up until the stop has begun.
  const blocker = await connect()
  await blocker.query('begin; lock table housing.feed')
  const late = follow(url)
  expect(await program.exit).toBe(0)
  expect(program.output.stdout).not.toContain('Cutting off')
  for (const { status, body } of await Promise.all(waiting)) expect([status, body.items]).toEqual([200, []])
  for (const { events } of [...listeners, late]) expect(events.at(-1)?.event).toBe('bye')
})

/** Starts a program on a port of its own, with which it can be started again. */
async function restartable(env: Record<string, string>) {
  const port = `${await freePort()}`
  return (until: 'ready' | 'listening' = 'ready') => serve({ env: { ...env, PORT: port }, until })
}

test('kill -9 and a restart: clients go on behind their last event', async () => {
  const { env, query } = await onServer()
  const start = await restartable(env)
  let program = await start()
  const url = program.url + changes
  const listeners = Array.from({ length: 5 }, () => follow(url))
  for (let round = 1; round <= rounds; round++) {
    await query(houses(500))
    await expect
      .poll(() => listeners.every(({ positions }) => positions().length > 500 * (round - 1)), patient)
      .toBe(true)
    program.signal('SIGKILL')
    await program.exit
    await query(houses(500))
    program = await start()
    await expect
      .poll(() => listeners.map(({ positions }) => positions().length), patient)
      .toEqual(Array(5).fill(1000 * round))
  }
  const all = await pages(program.url)
  for (const { positions } of listeners) expect(positions()).toEqual(all)
})

test('while the database is away streams stay and begin, also at a start, and get everything once it is back', async () => {
  const server = await startPostgres()
  onTestFinished(server.stop)
  const start = await restartable({ DATABASE_URL: server.url })
  let program = await start()
  const url = program.url + changes
  const { post } = remote(program.url)
  await post()
  const early = follow(url)
  await expect.poll(() => early.positions().length, patient).toBe(1)
  await server.crash()
  const during = follow(url)
  await expect.poll(() => during.statuses, patient).toEqual([200])
  await server.start()
  await expect.poll(async () => (await post()).status, patient).toBe(201)
  for (const { positions, statuses } of [early, during]) {
    await expect.poll(() => positions().length, patient).toBe(2)
    expect(statuses).toEqual([200])
  }

  await server.crash()
  program.signal('SIGKILL')
  await program.exit
  program = await start('listening')
  await expect.poll(() => [early, during].map(({ statuses }) => statuses), patient).toEqual(Array(2).fill([200, 200]))
  await server.start()
  await program.says('Ready: ')
  expect((await post()).status).toBe(201)
  const all = await pages(program.url)
  for (const { positions } of [early, during]) await expect.poll(positions, patient).toEqual(all)
  for (const { statuses } of [early, during]) expect(statuses).toEqual([200, 200])
})
