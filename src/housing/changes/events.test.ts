import { type AddressInfo, connect, type Socket } from 'node:net'
import { sql } from 'kysely'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { apiOver, startApi } from '../../../test/support/api.ts'
import { follow } from '../../../test/support/events.ts'
import { client, library as house } from '../../../test/support/http.ts'

const { database, db } = await startApi()
const housing = '/api/v2/housing'
let api: ReturnType<typeof client>
let url: string
let sockets: Socket[]
let stop: () => Promise<void>
beforeEach(async () => {
  const app = await apiOver(database)
  await app.listen({ host: '127.0.0.1', port: 0 })
  sockets = []
  app.server.on('connection', (socket) => sockets.push(socket))
  api = client(app)
  url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}${housing}/changes`
  stop = () => app.close()
  return async () => {
    const closed = stop()
    app.server.closeAllConnections()
    await closed
  }
})

/** The lines of each event, and the headers. */
async function listen(query = '', headers: Record<string, string> = {}) {
  const gone = new AbortController()
  const answer = await fetch(url + query, {
    headers: { accept: 'text/event-stream', ...headers },
    signal: AbortSignal.any([gone.signal, AbortSignal.timeout(20_000)]),
  })
  expect(answer.status).toBe(200)
  const blocks = events(answer.body as ReadableStream<Uint8Array>)
  const next = async () => (await blocks.next()).value
  expect(await next()).toBe('retry: 2000')
  return { next, headers: answer.headers, leave: () => gone.abort() }
}

async function* events(body: ReadableStream<Uint8Array>) {
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream() as never) as unknown as AsyncIterable<string>) {
    const blocks = (text + chunk).split('\n\n')
    text = blocks.pop() as string
    yield* blocks.filter((block) => block !== ':') // on a slow machine there are heartbeats between the events
  }
}

const written = (change: { position: number }) =>
  `id: ${change.position}\nevent: change\ndata: ${JSON.stringify(change)}`
const items = async (query = '') => (await api.get(`${housing}/changes${query}`)).json().items.map(written)

test('each change is an event, first those that are there, then those that come', async () => {
  await api.post(housing, house)
  const { next, headers } = await listen()
  expect(Object.fromEntries(headers)).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store, no-transform',
    'x-accel-buffering': 'no',
    'x-request-id': expect.any(String),
  })
  const first = await next()
  await api.patch(`${housing}/1`, { city: 'Oak Bay' }, { 'if-match': '*' })
  expect([first, await next()]).toEqual(await items())
})

test('a client goes on behind its last event, or behind a position', async () => {
  for (let i = 0; i < 3; i++) await api.post(housing, house)
  const all = await items()
  expect(await (await listen('?after=1')).next()).toBe(all[1])
  const { next } = await listen('?after=1', { 'last-event-id': '2' })
  expect(await next()).toBe(all[2])
})

test('a client gets only what passes its filters, however many others listen', async () => {
  const clients = await Promise.all(['?id=2', '?housing_type=SFD', ''].map((query) => listen(query)))
  await api.post(housing, house)
  await api.post(housing, { ...house, housing_type: 'SFD' })
  await api.post(housing, { ...house, housing_type: 'SFD' })
  const [one, two, three] = await items()
  const received = await Promise.all(
    clients.map(async ({ next }, i) => (i === 0 ? [await next()] : [await next(), await next()])),
  )
  expect(received).toEqual([[two], [two, three], [one, two]])
})

test('changes beyond those in memory are read from the database', async () => {
  const { next } = await listen()
  const create = { op: 'create', house }
  for (let n = 0; n < 8; n++) {
    const { statusCode } = await api.post(`${housing}/batch`, { operations: Array(250).fill(create) })
    expect(statusCode).toBe(200)
  }
  const received = []
  for (let i = 0; i < 2000; i++) received.push(await next())
  expect(received).toEqual([...(await items('?limit=1000')), ...(await items('?limit=1000&after=1000'))])
})

test('for a client that does not read, no more than one batch is kept', async () => {
  const count = 14_000 // 10 MB, of which the operating system takes some
  const insert = sql`
    insert into housing.housing (address, street, city, postal_code, housing_type_id)
    select i, repeat('漢', 50), repeat('😀', 50), 'V8W 1P6', 1 from generate_series(1, 2000) i`
  for (let rows = 0; rows < count; rows += 2000) await insert.execute(db)
  const { port, pathname } = new URL(url)
  const deaf = connect(Number(port), '127.0.0.1')
  onTestFinished(() => void deaf.destroy())
  deaf.write(`GET ${pathname} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n`)
  await expect.poll(() => sockets.length).toBe(1)
  const other = follow(url)
  await expect.poll(() => other.positions().length, { timeout: 60_000 }).toBe(count)
  const [kept] = sockets.map(({ writableLength }) => writableLength)
  expect(kept).toBeGreaterThan(0)
  expect(kept).toBeLessThan(200 * 1000)
}, 90_000)

test('within fifteen seconds each stream gets a comment, but not all at once', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const streams = Array.from({ length: 15 }, () => follow(url))
    const patient = { timeout: 20_000 }
    await expect.poll(() => streams.every(({ statuses }) => statuses.length === 1), patient).toBe(true)
    const comments = () => streams.map(({ comments }) => comments)
    for (let seconds = 1; seconds <= 15; seconds++) {
      vi.advanceTimersByTime(1000)
      await expect.poll(() => comments().filter((count) => count === 1).length, patient).toBe(seconds)
    }
    expect(comments()).toEqual(Array(15).fill(1))
  } finally {
    vi.useRealTimers()
  }
})

test('when the service stops, streams get an event and waiting requests their answer', async () => {
  const waiting = api.get(`${housing}/changes?wait=30`)
  const { next } = await listen()
  const closed = stop()
  expect(await next()).toBe('event: bye\ndata: connect again')
  expect(await next()).toBeUndefined()
  expect((await waiting).json()).toEqual({ items: [], next: 0 })
  await closed
})
