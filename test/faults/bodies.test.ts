import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { library, remote } from '../support/http.ts'
import { embedded, onServer } from '../support/places.ts'
import { serve } from '../support/program.ts'
import { rounds } from '../support/rounds.ts'

/** The program with the memory of a small container. */
const serveSmall = async () =>
  serve({ program: [process.execPath, '--max-old-space-size=128', 'dist/main.js'], ...(await embedded()) })
type Program = Awaited<ReturnType<typeof serveSmall>>

const send = ({ url }: Program, body: string) =>
  fetch(`${url}/api/v2/housing/batch`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
const isAlive = async ({ url }: Program) => (await fetch(`${url}/livez`)).status === 200

/** A body of about this size, made of one part again and again. */
const filled = (begin: string, part: string, end: string, size: number) =>
  `${begin}${part.repeat((size - begin.length - end.length) / part.length)}${end}`
const create = { op: 'create', house: library }
const thousand = (house: object = library) => JSON.stringify({ operations: Array(1000).fill({ op: 'create', house }) })
const MiB = 1024 * 1024

test('no body ends the process, and other requests are answered meanwhile', async () => {
  const program = await serveSmall()
  const bombs = (size: number) => [
    filled('{"operations":[', '{},', '{}]}', size),
    filled('{"operations":[', '[],', '[]]}', size),
    filled('', '[', '', size),
    filled('', '{"a":', '', size),
    filled('', '[[],[],{},[],', '', size),
    filled('{"operations":[', '0,', '0]}', size),
    filled('{', '"a":0,', '"b":0}', size),
    filled('{"operations":["', 'x', '"]}', size),
  ]
  for (let round = 0; round < rounds; round++)
    for (const [size, status] of [
      [4 * MiB, [413]],
      [MiB, [400, 422]],
    ] as const) {
      const answers = Promise.all(bombs(size).map((body) => send(program, body)))
      const alive = await Promise.all(Array.from({ length: 5 }, () => isAlive(program)))
      expect(alive).not.toContain(false)
      for (const answer of await answers) {
        await answer.arrayBuffer()
        expect(status).toContain(answer.status)
      }
    }
  expect((await send(program, thousand())).status).toBe(200)
})

test('valid large bodies are all answered, a few at a time', async () => {
  const program = await serveSmall()
  const wide = Object.fromEntries(Array.from({ length: 45 }, (_, i) => [`member${i}`, i]))
  const invalid = thousand(wide)
  const bodies = Array.from({ length: 12 }, (_, i) => (i === 0 ? thousand() : invalid))
  const answers = Promise.all(bodies.map((body) => send(program, body)))
  expect(await isAlive(program)).toBe(true)
  expect((await answers).map(({ status }) => status)).toEqual(bodies.map((body) => (body === invalid ? 422 : 200)))
})

test('large bodies beyond those in progress are rejected before they are read, small ones are not', async () => {
  const program = await serveSmall()
  const head = 'POST /api/v2/housing/batch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
  const slow = Array.from({ length: 16 }, (_, i) => {
    const length = i % 2 === 0 ? 'Content-Length: 500000' : 'Transfer-Encoding: chunked'
    const socket = connect(program.port, '127.0.0.1')
    socket.on('error', () => {}) // from destroying it
    socket.write(`${head}${length}\r\nExpect: 100-continue\r\n\r\n`)
    return socket
  })
  await Promise.all(slow.map((socket) => once(socket, 'connect')))
  let rejected = await send(program, thousand())
  for (; rejected.status !== 503; rejected = await send(program, thousand())) expect(rejected.status).toBe(200)
  expect(rejected.headers.get('retry-after')).toBe('1')
  expect(await rejected.json()).toMatchObject({ code: 'unavailable' })
  expect((await send(program, JSON.stringify({ operations: [create] }))).status).toBe(200)
  // A client that goes away makes room for others.
  for (const socket of slow) socket.destroy()
  await expect.poll(async () => (await send(program, thousand())).status, { timeout: 20_000 }).toBe(200)
})

test('a large body whose turn does not come is a 503, and one whose client has left is not carried out', async () => {
  const { env, connect, query } = await onServer()
  const program = await serve({ env })
  const { post, total } = remote(program.url)
  await post()
  const session = await connect()
  await session.query('begin; select from housing.housing for update')
  const rows = [{ id: 1, version: 1, ...library, city: 'Esquimalt' }, ...Array(1000).fill(library)]
  const importing = [1, 2].map(() => remote(program.url).send('POST', '/api/v2/housing/import', rows))
  const applying = `select count(*)::int from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`
  await expect.poll(async () => (await query(applying)).rows[0].count).toBe(2)
  const body = thousand()
  const leaving = AbortSignal.timeout(2000)
  const headers = { 'content-type': 'application/json' }
  const left = fetch(`${program.url}/api/v2/housing/batch`, { method: 'POST', headers, body, signal: leaving })
  const stayed = send(program, body)
  await expect(left).rejects.toThrow()
  expect((await stayed).status).toBe(503)
  await session.query('rollback')
  expect((await Promise.all(importing)).map(({ status }) => status).sort()).toEqual([200, 422])
  expect(await total()).toBe(1001)
})
