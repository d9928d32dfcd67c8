import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { exchange, library, remote } from '../support/http.ts'
import { memoryOf } from '../support/memory.ts'
import { embedded, onServer } from '../support/places.ts'
import { serve } from '../support/program.ts'
import { diceFor, isLong, rounds } from '../support/rounds.ts'

vi.setConfig({ testTimeout: 180_000 * rounds })

const header = 'address,street,city,postal_code,housing_type\n'
const rows = (count: number) => '735,Broughton Street,Victoria,V8W 3H2,COP\n'.repeat(count)

/** An import whose body is sent bit by bit. */
function upload(
  url: string,
  query = '',
): ClientRequest & { answered: Promise<{ status: number; body: string } | string> } {
  const sent = request(`${url}/api/v2/housing/import${query}`, {
    method: 'POST',
    headers: { 'content-type': 'text/csv' },
  })
  const answered = new Promise<{ status: number; body: string } | string>((resolve) => {
    sent.on('error', ({ message }) => resolve(message))
    sent.on('response', async (answer: IncomingMessage) => {
      const parts = await answer.setEncoding('utf8').toArray()
      resolve({ status: answer.statusCode ?? 0, body: parts.join('') })
    })
  })
  sent.write(header)
  return Object.assign(sent, { answered })
}

/** Resolves once it is closed, also after an error, which `once` of Node rejects with. */
const closed = (stream: ClientRequest | IncomingMessage) => new Promise((resolve) => stream.once('close', resolve))

/** A program over a server, and what the database knows of it. */
async function onOwnServer() {
  const { env, query, connect } = await onServer()
  const program = await serve({ env })
  const count = async (sql: string) => Number((await query(`select count(*) from ${sql}`)).rows[0].count)
  return {
    ...program,
    ...remote(program.url),
    env,
    query,
    connect,
    count,
    staged: () => count('housing.import_chunks'),
    /** Connections that are in a transaction, or send a COPY. */
    busy: () =>
      count(
        `pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and (state like 'idle in%' or query like 'copy%' and state = 'active')`,
      ),
  }
}

/** Houses of 700 bytes each: thirty thousand do not fit into the buffers of a connection. */
const longHouses = (count: number) => `insert into housing.housing (address, street, city, postal_code, housing_type_id)
  select repeat('😀', 50), repeat('漢', 50), repeat('😀', 50), 'V8W 1P6', 1 from generate_series(1, ${count})`

test('a client that goes away while it uploads leaves nothing, and makes room for the next', async () => {
  const { url, staged, total, busy } = await onOwnServer()
  for (let i = 0; i < 5; i++) {
    const sent = upload(url)
    sent.write(rows(5000))
    await expect.poll(staged, { timeout: 30_000 }).toBeGreaterThan(2)
    sent.destroy()
    await expect.poll(staged, { timeout: 30_000 }).toBe(0)
  }
  const last = upload(url)
  last.end(rows(10))
  expect(await last.answered).toMatchObject({ status: 200 })
  expect([await total(), await busy()]).toEqual([10, 0])
})

test('an upload may take as long as it goes on, and ends when nothing arrives for ten seconds', async () => {
  const { url, staged, total } = await onOwnServer()
  const [slow, stuck] = [upload(url), upload(url)]
  stuck.write(rows(1500))
  for (let i = 0; i < 12; i++) {
    slow.write(rows(100))
    await sleep(1000)
  }
  slow.end()
  expect(await slow.answered).toMatchObject({ status: 200, body: expect.stringContaining('"created":1200') })
  expect(await stuck.answered).toMatchObject({
    status: 408,
    body: expect.stringContaining('Nothing more of the body arrived for 10 seconds'),
  })
  expect([await total(), await staged()]).toEqual([1200, 0])
})

test('slow uploads hold back no other import; beyond sixteen the next is a 503, before its body is read', async () => {
  const { url, staged } = await onOwnServer()
  const slow = Array.from({ length: 15 }, () => upload(url))
  for (const each of slow) each.write(rows(1000))
  await expect.poll(staged, { timeout: 10_000 }).toBe(15)
  const other = upload(url)
  other.end(rows(1))
  expect(await other.answered).toMatchObject({ status: 200 })
  const two = [upload(url), upload(url)] // which may arrive in any order
  const refused = await Promise.race(two.map(async (each) => ({ each, answer: await each.answered })))
  expect(refused.answer).toMatchObject({ status: 503, body: expect.stringContaining('at most 16 imports at a time') })
  const open = [...slow, ...two.filter((each) => each !== refused.each)]
  for (const each of open) each.end(rows(1))
  for (const each of open) expect(await each.answered).toMatchObject({ status: 200 })
})

/** Two imports wait, while they are applied, for a house that `session` has locked. */
async function whileTwoAreApplied() {
  const own = await onOwnServer()
  await own.post()
  const session = await own.connect()
  await session.query('begin; select from housing.housing for update')
  const applied = ['Sooke', 'Colwood'].map((city) => own.send('POST', '/api/v2/housing/import', [{ id: 1, city }]))
  await expect.poll(own.staged, { timeout: 10_000 }).toBe(2)
  return { ...own, session, applied }
}

test('two imports are applied at a time: a file waits for its turn, an array not for long', async () => {
  const { url, send, staged, total, session, applied } = await whileTwoAreApplied()
  const [file, left] = [upload(url), upload(url)]
  for (const each of [file, left]) each.end(rows(1))
  await expect.poll(staged, { timeout: 10_000 }).toBe(4)
  const refused = await send('POST', '/api/v2/housing/import', [library])
  expect(refused).toMatchObject({ status: 503, body: { detail: expect.stringContaining('Too many imports are') } })
  expect(refused.headers.get('retry-after')).toBe('5')
  left.destroy()
  await expect.poll(staged, { timeout: 10_000 }).toBe(3)
  await session.query('rollback')
  for (const each of applied) expect(await each).toMatchObject({ status: 200 })
  expect(await file.answered).toMatchObject({ status: 200 })
  expect([await total(), await staged()]).toEqual([2, 0])
})

test('a file that is rejected early is answered while it is still being sent, and the connection ends', async () => {
  const { url, alive } = await onOwnServer()
  const sent = upload(url)
  sent.write(`"${rows(50_000)}`)
  expect(await sent.answered).toMatchObject({ status: 422, body: expect.stringContaining('"line":2') })
  const ended = closed(sent)
  const sending = setInterval(() => sent.write(rows(1000)), 100)
  await ended
  clearInterval(sending)
  expect(await alive()).toBe(200)
})

test.each([
  ['CSV', 'text/csv', header],
  ['NDJSON', 'application/x-ndjson', '{}\n'],
])('a long file of blank lines (%s) takes no memory, and others are answered meanwhile', async (_, type, first) => {
  const { url, pid, alive, staged } = await onOwnServer()
  const before = memoryOf(pid)
  let most = before
  let answered = 0
  async function* file() {
    yield first
    const blank = '\n'.repeat(1024 * 1024)
    for (let i = 0; i < 100; i++) {
      yield blank
      most = Math.max(most, memoryOf(pid))
      if (i % 10 === 0 && (await alive()) === 200) answered += 1
    }
    yield '{'
  }
  const sent = request(`${url}/api/v2/housing/import`, { method: 'POST', headers: { 'content-type': type } })
  const [[answer]] = await Promise.all([once(sent, 'response'), pipeline(file(), sent)])
  const parts = await answer.setEncoding('utf8').toArray()
  expect(JSON.parse(parts.join(''))).toMatchObject({ code: 'invalid-file', errors: [{ line: 104_857_602 }] })
  expect([answered, await staged()]).toEqual([10, 0])
  expect(most - before).toBeLessThan(64)
})

test('an import of a million houses takes hardly more memory than one of fifty thousand', async ({ skip }) => {
  skip(!isLong, 'it takes long: npm run faults')
  const { url, pid } = await onOwnServer()
  const importHouses = async (count: number) => {
    async function* file() {
      yield header
      for (let i = 0; i < count; i++) yield `${i},Broughton Street,Victoria,V8W 3H2,COP\n`
    }
    const sent = request(`${url}/api/v2/housing/import`, { method: 'POST', headers: { 'content-type': 'text/csv' } })
    const [[answer]] = await Promise.all([once(sent, 'response'), pipeline(file(), sent)])
    return JSON.parse((await answer.setEncoding('utf8').toArray()).join(''))
  }
  await importHouses(50_000)
  const before = memoryOf(pid)
  let most = before
  const measuring = setInterval(() => {
    most = Math.max(most, memoryOf(pid))
  }, 200)
  const answer = await importHouses(1_000_000).finally(() => clearInterval(measuring))
  expect(answer).toMatchObject({ created: 1_000_000 })
  expect(most - before).toBeLessThan(64)
}, 600_000)

test('a reader of an export that stops holds back nobody, and is cut off', async () => {
  const { url, query, busy, post, says } = await onOwnServer()
  await query(longHouses(30_000))
  const stopped = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const [answer] = (await once(request(`${url}/api/v2/housing/export?format=ndjson`).end(), 'response')) as [
        IncomingMessage,
      ]
      answer.on('error', () => {})
      answer.pause()
      return answer
    }),
  )
  expect(await busy()).toBe(4)
  for (const method of ['GET', 'HEAD'])
    expect((await fetch(`${url}/api/v2/housing/export`, { method })).status, method).toBe(503)
  for (let i = 0; i < 20; i++) expect((await post()).status).toBe(201)
  await expect.poll(busy, { timeout: 60_000 }).toBe(0)
  expect(await says(/broke off: [^"]*/)).toBe('broke off: nothing moved for 25 s')
  for (const answer of stopped) {
    answer.resume()
    await closed(answer)
    expect(answer.complete).toBe(false)
  }
  expect((await fetch(`${url}/api/v2/housing/export`)).status).toBe(200)
})

test('HEAD of an export does not say how long the file is', async () => {
  const { port } = await onOwnServer()
  const head = 'HEAD /api/v2/housing/export HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
  const answer = await exchange(port, head)
  expect(answer).toMatch(/^HTTP\/1.1 200 (.|\n|\r)*content-disposition: /i)
  expect(answer).not.toMatch(/content-length/i)
})

test('readers of exports that go away at any moment leave room for the next, and no connections', async () => {
  const { url, query, busy, connect } = await onOwnServer()
  await query(longHouses(2000))
  const leave = async (path: string, after: number) => {
    const asking = request(`${url}/api/v2/housing/export${path}`)
      .on('error', () => {})
      .end()
    asking.on('response', (answer) => answer.on('error', () => {}).resume())
    await sleep(after)
    asking.destroy()
  }
  for (const path of ['?q=x', '?housing_type=SFD', '', '?format=ndjson'])
    for (const after of [0, 1, 3, 10, 30]) await leave(path, after)
  const holder = await connect()
  await holder.query('begin; lock table housing.housing in access exclusive mode')
  for (let i = 0; i < 12; i++) await leave('', 100)
  expect(await busy()).toBeLessThanOrEqual(5) // the holder, and at most four exports
  await holder.end()
  await expect.poll(async () => (await fetch(`${url}/api/v2/housing/export`)).status, { timeout: 30_000 }).toBe(200)
  await expect.poll(busy, { timeout: 30_000 }).toBe(0)
})

test('a client that sends everything before it reads gets the reason of an early rejection', async () => {
  const { port } = await onOwnServer()
  const head = 'POST /api/v2/housing/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n'
  const file = `nocolumn\n${rows(100_000)}`
  const next = 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'
  const answers = await exchange(port, `${head}Content-Length: ${file.length}\r\n\r\n${file}${next}`)
  expect(answers).toMatch(/^HTTP\/1.1 422 (.|\n|\r)*no column \\"nocolumn\\"(.|\n|\r)*HTTP\/1.1 200 /)
})

test('a stop ends uploads with a 503 and breaks exports off, and the process exits in time', async () => {
  const { url, query, signal, exit, staged, busy } = await onOwnServer()
  await query(longHouses(30_000))
  const sent = upload(url)
  sent.write(rows(3000))
  const [answer] = (await once(request(`${url}/api/v2/housing/export`).end(), 'response')) as [IncomingMessage]
  answer.on('error', () => {}).pause()
  await expect.poll(staged, { timeout: 30_000 }).toBeGreaterThan(1)
  signal('SIGTERM')
  expect(await sent.answered).toMatchObject({ status: 503, body: expect.stringContaining('The service stops') })
  answer.resume()
  await closed(answer)
  expect(answer.complete).toBe(false)
  expect(await exit).toBe(0)
  expect([await staged(), await busy()]).toEqual([0, 0])
})

test('a stop while an import is applied undoes it, and says so', async () => {
  const { url, count, signal, exit } = await onOwnServer()
  const sent = upload(url)
  sent.end(rows(30_000))
  const applying = () =>
    count("pg_stat_activity where datname = current_database() and xact_start < now() - interval '0.3 s'")
  await expect.poll(applying, { timeout: 60_000, interval: 20 }).toBe(1)
  signal('SIGTERM')
  expect(await sent.answered).toMatchObject({ status: 503, body: expect.stringContaining('The service stops') })
  expect(await exit).toBe(0)
  expect([await count('housing.housing'), await count('housing.imports')]).toEqual([0, 0])
})

test('a stop ends an import that waits for its turn', async () => {
  const { url, count, signal, exit, session, applied } = await whileTwoAreApplied()
  const imports = () => count('housing.imports')
  const sent = upload(url)
  sent.end(rows(1))
  await expect.poll(imports, { timeout: 10_000 }).toBe(3)
  signal('SIGTERM')
  expect(await sent.answered).toMatchObject({ status: 503, body: expect.stringContaining('The service stops') })
  expect(await imports()).toBe(2)
  await session.query('rollback')
  await Promise.allSettled(applied) // they may be done before the process ends
  expect(await exit).toBe(0)
})

test('a stop does not wait for a lock that an import needs', async ({ skip }) => {
  skip(!isLong, 'it takes long: npm run faults')
  const { post, send, connect, count, signal, exit } = await onOwnServer()
  await post()
  const session = await connect()
  await session.query('begin; select from housing.housing for update')
  const row = { id: 1, version: 1, ...library, city: 'Esquimalt' }
  const cutOff = expect(send('POST', '/api/v2/housing/import', [row])).rejects.toThrow()
  const waiting = () => count("pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")
  await expect.poll(waiting).toBe(1)
  const begun = performance.now()
  signal('SIGTERM')
  await cutOff
  expect(await exit).toBe(0)
  expect(performance.now() - begun).toBeLessThan(40_000)
  await session.query('rollback')
})

test('a stop while the embedded database applies an import in parts says which rows are stored', async () => {
  const { env } = await embedded()
  const { url, signal, exit } = await serve({ env })
  const sent = upload(url, '?on_error=skip')
  sent.end(rows(60_000))
  await expect.poll(remote(url).total, { timeout: 60_000 }).toBeGreaterThan(0)
  signal('SIGTERM')
  const { status, body } = (await sent.answered) as { status: number; body: string }
  const { code, detail, received, created } = JSON.parse(body)
  expect([status, code, received]).toEqual([503, 'import-incomplete', created])
  expect(detail).toContain(`after ${created} rows, which stay applied.`)
  expect(detail).toContain(`after the one in line ${created + 1};`)
  expect(await exit).toBe(0)
  expect(await remote((await serve({ env })).url).total()).toBe(created)
})

describe('a kill at any instant of an import', () => {
  const dice = diceFor('kill of an import')
  const moments = [50, 400, 900, ...Array.from({ length: 2 * (rounds - 1) }, () => dice.between(0, 3000))]
  test.each([
    ['on a server', onServer],
    ['embedded', embedded],
  ] as const)('%s leaves all or nothing', async (_, place) => {
    const { env } = await place()
    let expected = 0
    for (const moment of moments) {
      const program = await serve({ env })
      const { total } = remote(program.url)
      expect(await total()).toBe(expected)
      const sent = upload(program.url)
      sent.end(rows(6000))
      await Promise.race([sleep(moment), sent.answered])
      program.signal('SIGKILL')
      await program.exit
      const again = await serve({ env })
      const found = await remote(again.url).total()
      expect([expected, expected + 6000]).toContain(found)
      expected = found
      again.signal('SIGTERM')
      expect(await again.exit).toBe(0)
    }
  })
})
