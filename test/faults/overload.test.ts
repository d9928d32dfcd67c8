import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { sendLoad } from '../../bench/open-loop.ts'
import { library, remote } from '../support/http.ts'
import { embedded, onServer } from '../support/places.ts'
import { run, serve } from '../support/program.ts'
import { isLong } from '../support/rounds.ts'

vi.setConfig({ testTimeout: 120_000 })

type Answer = Awaited<ReturnType<ReturnType<typeof remote>['send']>>

/** The program on a server with three houses, perhaps as the owner of its tables, and a session that gets in its way. */
async function onServerWithHouses({ owner = false } = {}) {
  const place = await onServer()
  const program = await serve({ env: owner ? await ownerOf(place) : place.env })
  const api = remote(program.url)
  await api.batch(3)
  const session = await place.connect()
  await session.query('begin')
  /** Waits until so many statements of the program wait for a lock. */
  const blocked = async (session: pg.Client, atLeast = 1) => {
    while ((await waiting(session)) < atLeast);
  }
  return { ...program, ...api, session, query: place.query, blocked: () => blocked(session) }
}

/** Settings for a role that owns the database; it is dropped at the end of the test. */
async function ownerOf({ env, query }: Awaited<ReturnType<typeof onServer>>) {
  const url = new URL(env.DATABASE_URL)
  const database = url.pathname.slice(1)
  const role = `owner_of_${database}`
  await query(`create role ${role} login; alter database ${database} owner to ${role}`)
  onTestFinished(async () => {
    await query(`reassign owned by ${role} to postgres; drop owned by ${role}; drop role ${role}`)
  })
  url.username = role
  return { DATABASE_URL: url.href }
}

/** How many statements of this database wait for a lock. */
async function waiting(session: pg.Client): Promise<number> {
  await session.query('select pg_stat_clear_snapshot()') // a transaction keeps the list of connections of its first look
  const { rows } = await session.query(
    `select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows[0].count
}

/** Expects what a request is answered that waits in vain: it may be sent again. */
function expectGivenUp({ status, headers, body }: Answer): void {
  expect([`503 unavailable`, `504 timeout`]).toContain(`${status} ${body.code}`)
  if (status === 503) expect(headers.get('retry-after')).toBe('1')
}

/** Expects one of these statuses, or that it was given up. */
async function expectAnswered(answers: Promise<Answer>[], ...statuses: number[]): Promise<void> {
  for (const answer of await Promise.all(answers)) if (!statuses.includes(answer.status)) expectGivenUp(answer)
}

const times = <T>(count: number, send: (n: number) => Promise<T>) => Array.from({ length: count }, (_, n) => send(n))

/** Expects that each kind of request is answered that needs neither the row nor the table that is locked. */
async function expectService({ get, list, post, patch, send, ready }: ReturnType<typeof remote>): Promise<void> {
  for (let round = 0; round < 3; round++) {
    expect(await post()).toMatchObject({ status: 201 })
    expect(await patch({ address: `${round}` }, 2)).toMatchObject({ status: 200 })
    expect(await list('?q=broughton')).toMatchObject({ status: 200 })
    expect(await list('?postal_code=V8W3H2')).toMatchObject({ status: 200 })
    expect(await get('/api/v1/housing/V8W%203H2')).toMatchObject({ status: 200 })
    expect(await get('/api/v2/housing/2/versions')).toMatchObject({ status: 200 })
    expect(await send('POST', '/api/v2/housing', library, { 'idempotency-key': `${round}` })).toMatchObject({
      status: 201,
    })
    expect(await ready()).toBe(200)
  }
}

describe('while a row is locked', () => {
  test('whoever changes it is answered in time, and everything else goes on', async () => {
    const service = await onServerWithHouses()
    const { session, patch, blocked } = service
    await session.query('select from housing.housing where id = 1 for update')
    const answers = times(10, () => patch({ city: 'Esquimalt' }))
    await blocked()
    await expectService(service)
    for (const answer of await Promise.all(answers)) expectGivenUp(answer)
    await session.query('rollback')
    expect(await patch({ city: 'Esquimalt' })).toMatchObject({ status: 200, body: { version: 2 } })
  })

  test.each(isLong ? [50, 200, 1000] : [50])('%i clients that change it keep one connection busy', async (clients) => {
    const service = await onServerWithHouses()
    const { session, patch, blocked } = service
    await session.query('select from housing.housing where id = 1 for update')
    const answers = times(clients, () => patch({ city: 'Esquimalt' }))
    await blocked()
    await expectService(service)
    expect(await waiting(session)).toBeLessThanOrEqual(1)
    await session.query('rollback')
    await expectAnswered(answers, 200)
    expect(await patch({ city: 'Esquimalt' })).toMatchObject({ status: 200, body: { version: 2 } })
  })

  test('batches and changes of several locked rows hold at most a third of the connections', async () => {
    const { session, patch, send, blocked, batch, list, get, post } = await onServerWithHouses()
    await batch(20)
    await session.query('select from housing.housing where id <> 2 for update')
    const operations = [{ op: 'delete', id: 1, version: 1 }]
    const answers = [
      ...times(10, () => send('POST', '/api/v2/housing/batch', { operations })),
      ...times(10, (n) => patch({ city: 'Esquimalt' }, n + 3)),
    ]
    await blocked()
    for (let round = 0; round < 3; round++) {
      expect(await post()).toMatchObject({ status: 201 })
      expect(await list('?q=broughton')).toMatchObject({ status: 200 })
      expect(await get('/api/v2/housing/1')).toMatchObject({ status: 200 })
      expect(await waiting(session)).toBeLessThanOrEqual(3)
    }
    await session.query('rollback')
    await expectAnswered(answers, 200, 404, 409)
    expect(await patch({ city: 'Esquimalt' }, 2)).toMatchObject({ status: 200 })
  })
})

describe('while a table is locked', () => {
  test.each(['list', 'search', 'list of a postal code', 'create', 'change', 'whatever needs it'])(
    '%s waits for it, and what does not need the table goes on',
    async (what) => {
      const { session, blocked, get, list, post, patch, send, alive } = await onServerWithHouses()
      const whatever = [
        () => list(),
        () => list('?q=broughton'),
        () => list('?postal_code=V8W3H2'),
        () => get('/api/v2/housing/1'),
        () => get('/api/v1/housing/V8W%203H2'),
        () => post(),
        () => send('POST', '/api/v2/housing', library, { 'idempotency-key': crypto.randomUUID() }),
        () => send('POST', '/api/v2/housing/batch', { operations: [{ op: 'create', house: library }] }),
        (n: number) => patch({ city: 'Esquimalt' }, n + 1),
      ]
      const ask = {
        list: () => list('?sort=city'),
        search: () => list('?q=broughton'),
        'list of a postal code': () => list('?postal_code=V8W3H2'),
        create: () => post(),
        change: (n: number) => patch({ city: 'Esquimalt' }, n + 1),
        'whatever needs it': (n: number) => whatever[n % whatever.length]?.(n),
      }[what] as (n: number) => Promise<Answer>
      await session.query('alter table housing.housing add column storeys integer')
      const answers = times(100, ask)
      await blocked()
      for (let round = 0; round < 3; round++) {
        expect(await alive()).toBe(200)
        expect(await get('/api/v2/housing-types')).toMatchObject({ status: 200 })
        expect(await get('/api/v2/housing/1/versions')).toMatchObject({ status: 200 })
        expect(await get('/api/v2/housing/changes')).toMatchObject({ status: 200 })
      }
      await session.query('rollback')
      await expectAnswered(answers, 200, 201, 404, 412)
      expect(await list('?limit=3')).toMatchObject({ status: 200, body: { items: [{ id: 1 }, { id: 2 }, { id: 3 }] } })
    },
  )

  test('exports wait for it no longer than others', async () => {
    const { session, get } = await onServerWithHouses()
    await session.query('alter table housing.housing add column storeys integer')
    const exports = Promise.all(times(4, () => get('/api/v2/housing/export')))
    for (const answer of await exports) expect(answer).toMatchObject({ status: 504, body: { code: 'timeout' } })
  })

  test('that of the history, writes wait, and everything else goes on', async () => {
    const { session, blocked, get, list, post, patch, send } = await onServerWithHouses()
    await session.query('alter table housing.changes add column note text')
    const keyed = () => send('POST', '/api/v2/housing', library, { 'idempotency-key': crypto.randomUUID() })
    const writes = [() => post(), keyed, (n: number) => patch({ city: 'Esquimalt' }, n + 1)]
    const history = [() => get('/api/v2/housing/1/versions'), () => get('/api/v2/housing/changes')]
    const answers = times(100, (n) => [...writes, ...history][n % 5]?.(n) as Promise<Answer>)
    await blocked()
    for (let round = 0; round < 3; round++) {
      expect(await get('/api/v2/housing/1')).toMatchObject({ status: 200 })
      expect(await list()).toMatchObject({ status: 200 })
      expect(await list('?postal_code=V8W3H2')).toMatchObject({ status: 200 })
    }
    await session.query('rollback')
    await expectAnswered(answers, 200, 201, 404, 412)
  })

  test('that of the feed, whoever reads it waits, and the history is read', async () => {
    const { session, blocked, get } = await onServerWithHouses()
    const changes = '/api/v2/housing/changes'
    await get(`${changes}?wait=1&after=3`) // for some seconds the process asks by itself
    await session.query('lock housing.feed')
    const answers = times(20, (n) => get(`${changes}?wait=30&limit=${n + 3}`))
    const others = times(20, () => get(changes))
    await blocked()
    for (let round = 0; round < 3; round++) {
      expect(await get('/api/v2/housing/1/versions')).toMatchObject({ status: 200 })
      expect(await waiting(session)).toBeLessThanOrEqual(4)
    }
    await session.query('rollback')
    for (const answer of await Promise.all(answers)) expect(answer).toMatchObject({ status: 200, body: { next: 3 } })
    await expectAnswered(others, 200)
  })

  test('that of the keys, requests with an Idempotency-Key wait, and everything else goes on', async () => {
    const { session, blocked, send, post, patch, list } = await onServerWithHouses()
    await session.query('alter table housing.idempotency_keys add column note text')
    const answers = times(50, (n) => send('POST', '/api/v2/housing', library, { 'idempotency-key': `${n}` }))
    await blocked()
    for (let round = 0; round < 3; round++) {
      expect(await post()).toMatchObject({ status: 201 })
      expect(await patch({ address: `${round}` })).toMatchObject({ status: 200 })
      expect(await list()).toMatchObject({ status: 200 })
    }
    await session.query('rollback')
    await expectAnswered(answers, 201)
  })
})

test('whoever is still unknown after a second waits no longer', async () => {
  const { env, connect } = await onServer()
  const { url } = await serve({ env: { ...env, AUTH: 'keys' } })
  const { stdout } = await run({ env, command: ['keys', 'create', '--name=x', '--scope=housing:read'] })
  const session = await connect()
  await session.query('begin; lock housing.api_keys')
  const list = () => fetch(`${url}/api/v2/housing`, { headers: { authorization: `Bearer ${stdout.trim()}` } })
  const answer = list()
  await expect.poll(() => waiting(session)).toBe(1)
  await sleep(1500)
  await session.query('rollback')
  expect([503, 504]).toContain((await answer).status)
  expect(await list()).toMatchObject({ status: 200 })
})

test('slow searches hold at most a third of the connections, and everything else goes on', async () => {
  const { session, query, blocked, list, get, post, patch, ready } = await onServerWithHouses({ owner: true })
  // Searches wait for the session at their first row. (Postgres does not apply policies to a superuser.)
  await query(`create function housing.let_searches_wait() returns boolean language plpgsql as $$ begin
      if current_query() like '%@@%' then perform pg_advisory_lock_shared(7), pg_advisory_unlock_shared(7); end if;
      return true; end $$;
    alter table housing.housing enable row level security, force row level security;
    create policy slow on housing.housing using (housing.let_searches_wait()) with check (true)`)
  await session.query('select pg_advisory_lock(7)')
  const answers = times(30, () => list('?q=broughton'))
  await blocked()
  for (let round = 0; round < 3; round++) {
    expect(await post()).toMatchObject({ status: 201 })
    expect(await patch({ address: `${round}` })).toMatchObject({ status: 200 })
    expect(await list('?postal_code=V8W3H2')).toMatchObject({ status: 200 })
    expect(await get('/api/v2/housing/1')).toMatchObject({ status: 200 })
    expect(await get('/api/v2/housing/1/versions')).toMatchObject({ status: 200 })
    expect(await ready()).toBe(200)
    expect(await waiting(session)).toBeLessThanOrEqual(3)
  }
  await session.query('select pg_advisory_unlock(7)')
  await expectAnswered(answers, 200)
  expect(await list('?q=broughton')).toMatchObject({ status: 200 })
})

const somaxconn = '/proc/sys/net/core/somaxconn'
const queue = existsSync(somaxconn) ? Number(readFileSync(somaxconn, 'utf8')) : 0

test('connections that arrive while the program stands still wait for it', async ({ skip }) => {
  skip(queue < 2000, `the system lets no more than ${queue} connections wait (${somaxconn})`)
  const program = await serve({ env: (await embedded()).env })
  program.signal('SIGSTOP')
  const sockets = Array.from({ length: 1500 }, () => connect(program.port, '127.0.0.1'))
  onTestFinished(() => sockets.forEach((socket) => void socket.destroy()))
  await Promise.all(sockets.map((socket) => once(socket, 'connect')))
  program.signal('SIGCONT')
  const answers = sockets.map(async (socket) => {
    socket.write('GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n')
    return String(await once(socket, 'data')).slice(0, 12)
  })
  expect(new Set(await Promise.all(answers))).toEqual(new Set(['HTTP/1.1 200']))
})

test.each([
  ['on a server', onServer],
  ['embedded', embedded],
])('of far too many requests each is answered right, or rejected at once and counted (%s)', async (_where, place) => {
  const program = await serve({ env: (await place()).env })
  const { list, post, total } = remote(program.url)
  await post()
  const body = JSON.stringify(library)
  const requests = [
    `POST /api/v2/housing HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    'GET /api/v2/housing?q=broughton HTTP/1.1\r\nhost: localhost\r\n\r\n',
    'GET /api/v1/housing/V8W%203H2 HTTP/1.1\r\nhost: localhost\r\n\r\n',
  ]
  const count = isLong ? 4000 : 1500 // all at once, so not more than the connections that may wait
  const sent = await sendLoad({ port: program.port, rate: count * 2, seconds: 0.5, requests, patience: 100 })
  const answers = sent.map(({ status, saysWhen }) => `${status}${saysWhen ? ' with Retry-After' : ''}`)
  expect(new Set(answers)).toEqual(new Set(['201', '200', '503 with Retry-After']))
  expect(await total()).toBe(1 + answers.filter((answer) => answer === '201').length)
  expect(await list('?q=broughton')).toMatchObject({ status: 200 })
  expect(await post()).toMatchObject({ status: 201 })
  await program.says(/because of the load/)
  // A line a second says how many there were, and they have no others.
  expect(program.lines().filter(({ status }) => status === 503)).toEqual([])
})
