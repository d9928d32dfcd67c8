import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { library, remote } from '../support/http.ts'
import { onServer } from '../support/places.ts'
import { startPostgres } from '../support/postgres.ts'
import { serve } from '../support/program.ts'
import { startProxy } from '../support/proxy.ts'

vi.setConfig({ testTimeout: 120_000 })

const housing = '/api/v2/housing'
const two = { operations: Array(2).fill({ op: 'create', house: library }) }
const patient = { timeout: 30_000, interval: 20 }

/** The program on a new database, which it reaches through a proxy. */
async function throughProxy() {
  const { env, query, connect } = await onServer()
  const url = new URL(env.DATABASE_URL)
  const proxy = await startProxy(Number(url.port))
  onTestFinished(() => proxy.close())
  url.port = `${proxy.port}`
  const program = await serve({ env: { DATABASE_URL: url.href } })
  const rows = async () => (await query('select from housing.housing')).rowCount
  return { proxy, query, connect, rows, ...remote(program.url) }
}

test.each([
  ['a house', housing, library, 1],
  ['a batch', `${housing}/batch`, two, 2],
])(
  'of %s the COMMIT is sent and its answer is lost: unknown, and a repetition finds the answer',
  async (_what, path, body, count) => {
    const { proxy, rows, send, total } = await throughProxy()
    const key = { 'idempotency-key': randomUUID() }
    proxy.keepAnswersTo('commit')
    const unanswered = send('POST', path, body, key)
    await expect.poll(rows, patient).toBe(count)
    proxy.keepAnswersTo('a word that is never sent')
    proxy.cut()
    expect(await unanswered).toMatchObject({ status: 503, body: { code: 'outcome-unknown' } })

    const answers = [await send('POST', path, body, key), await send('POST', path, body, key)]
    for (const { status, headers } of answers)
      expect([status, headers.get('idempotency-replayed')]).toEqual([path === housing ? 201 : 200, 'true'])
    expect(answers[0]?.body).toEqual(answers[1]?.body)
    expect(await total()).toBe(count)
  },
)

test('with a PANIC the outcome of a write is unknown, whatever its SQLSTATE, and it is not tried again', async () => {
  const { proxy, query, post, patch, total } = await throughProxy()
  await post()
  await query(`create sequence public.attempts;
      create function public.fail() returns trigger language plpgsql as $$ begin
        perform nextval('public.attempts'); raise 'no' using errcode = '58030'; end $$;
      create trigger fail before insert or update on housing.housing for each row execute function public.fail()`)
  proxy.panic(true)
  for (const write of [() => patch({ city: 'Esquimalt' }), () => post()])
    expect(await write()).toMatchObject({ status: 503, body: { code: 'outcome-unknown' } })
  expect((await query('select last_value::int from public.attempts')).rows).toEqual([{ last_value: 2 }])
  proxy.panic(false)
  await query('drop trigger fail on housing.housing')
  expect((await patch({ city: 'Esquimalt' })).status).toBe(200)
  expect(await total()).toBe(1)
})

test.each([
  ['a deadlock', '40P01'],
  ['a serialization failure', '40001'],
])('%s is tried again three times, then it is a 503 and nothing was changed', async (_what, code) => {
  const { query, send, patch, total, ready } = await throughProxy()
  expect((await send('POST', housing, library)).status).toBe(201)
  await query(`create sequence public.attempts;
      create function public.give_up() returns trigger language plpgsql as $$ begin
        if nextval('public.attempts') <= 3 then raise exception 'no' using errcode = '${code}'; end if;
        return new;
      end $$;
      create trigger give_up before insert or update on housing.housing
        for each statement execute function public.give_up()`)
  const writes = [
    () => send('POST', housing, library),
    () => send('POST', `${housing}/batch`, { operations: two.operations.slice(1) }),
    () => send('POST', housing, library, { 'idempotency-key': randomUUID() }),
    () => patch({ city: `${Math.random()}` }),
  ]
  for (const write of writes) {
    await query("select setval('public.attempts', 1, false)")
    expect((await write()).status).toBeLessThan(300)
    await query("select setval('public.attempts', 1, false); alter sequence public.attempts minvalue -9 restart -9")
    const before = await total()
    const answer = await write()
    expect([answer.status, answer.body.code, answer.headers.get('retry-after')]).toEqual([503, 'unavailable', '1'])
    expect(answer.body.detail).toContain('nothing was changed')
    expect(await total()).toBe(before)
  }
  expect(await ready()).toBe(200)
})

test('a statement that takes too long is a 504 and changes nothing, and others are served meanwhile', async () => {
  const { query, send, list, total, ready } = await throughProxy()
  await query(`create function public.slow() returns trigger language plpgsql as $$ begin
      perform pg_sleep(60); return new; end $$;
    create trigger slow before insert on housing.housing
      for each row when (new.city = 'Slow') execute function public.slow()`)
  const slow = ['', ''].map(() =>
    send('POST', housing, { ...library, city: 'Slow' }, { 'idempotency-key': randomUUID() }),
  )
  const isSlow = `select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`
  await expect.poll(async () => (await query(isSlow)).rowCount, patient).toBe(2)
  expect([(await list()).status, (await send('POST', housing, library)).status, await ready()]).toEqual([200, 201, 200])
  for (const answer of await Promise.all(slow))
    expect(answer).toMatchObject({
      status: 504,
      body: { code: 'timeout', detail: expect.stringContaining('nothing was') },
    })
  await expect.poll(async () => (await query(isSlow)).rowCount, patient).toBe(0)
  expect(await total()).toBe(1)
})

test('a database that accepts connections and never answers is a 504 or a 503, and heals', async () => {
  const { proxy, send, list, patch, ready, alive, rows } = await throughProxy()
  expect((await send('POST', housing, library)).status).toBe(201)
  proxy.hang(true)
  const asked = [list(), list('/1'), patch({ city: 'Saanich' }), send('POST', housing, library), ready(), alive()]
  const [read, lookup, change, creation, readiness, liveness] = (await Promise.all(asked)) as { status: number }[]
  for (const { status } of [read, lookup] as { status: number }[]) expect([503, 504]).toContain(status)
  for (const { status } of [change, creation] as { status: number }[]) expect(status).toBe(503) // sent or not
  expect([readiness, liveness]).toEqual([503, 200])
  proxy.hang(false)
  await expect.poll(async () => (await list()).status, patient).toBe(200)
  await expect.poll(ready, patient).toBe(200)
  expect((await send('POST', housing, library)).status).toBe(201)
  expect(await rows()).toBeGreaterThanOrEqual(2)
})

test('a server that comes back as a standby serves reads, and writes as soon as it is promoted', async () => {
  const server = await startPostgres()
  onTestFinished(server.stop)
  const { post, list, patch, ready } = remote((await serve({ env: { DATABASE_URL: server.url } })).url)
  expect((await post()).status).toBe(201)
  await server.crash()
  await writeFile(join(server.data, 'standby.signal'), '')
  await server.start()
  await expect.poll(async () => (await list()).status, patient).toBe(200)
  expect(await ready()).toBe(503)
  for (const write of [await post(), await patch({ city: 'Saanich' })])
    expect(write).toMatchObject({ status: 503, body: { code: 'unavailable' } })

  const client = new pg.Client(server.url)
  await client.connect()
  await client.query('select pg_promote()')
  await client.end()
  await expect.poll(async () => (await post()).status, patient).toBe(201)
  expect((await patch({ city: 'Saanich' })).body).toMatchObject({ version: 2 })
  expect(await ready()).toBe(200)
})
