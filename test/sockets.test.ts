import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createLog } from '../src/log.ts'
import { startApi } from './support/api.ts'
import { exchange, listen } from './support/http.ts'

const lines: string[] = []
const log = Object.assign(createLog('silent'), { line: (line: string) => lines.push(line) })
const { app } = await startApi({ log })
const port = await listen(app)

const house = '{"address":"1","street":"Main","city":"Victoria","postal_code":"V8V 1A1","housing_type":"SFD"}'
const host = 'Host: localhost\r\nConnection: close\r\n'
const post = `POST /api/v2/housing HTTP/1.1\r\n${host}Content-Type: application/json\r\n`

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+) /.exec(answer)?.[1])
const bodyOf = (answer: string) => answer.slice(answer.indexOf('\r\n\r\n') + 4)

test.each([
  ['no HTTP', 'hello\r\n\r\n', 400],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['an unknown method', `FETCH / HTTP/1.1\r\n${host}\r\n`, 400],
  ['an unknown version', `GET / HTTP/9.9\r\n${host}\r\n`, 400],
  ['a header without a colon', `GET / HTTP/1.1\r\n${host}nonsense\r\n\r\n`, 400],
  ['a control character in a header', `GET / HTTP/1.1\r\n${host}X: a\x7fb\r\n\r\n`, 400],
  ['bytes in the path that are not ASCII', `GET /\xff HTTP/1.1\r\n${host}\r\n`, 400],
  ['two lengths', `${post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`, 400],
  ['a length and chunks', `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a length that is no number', `${post}Content-Length: 0x2\r\n\r\n{}`, 400],
  ['a negative length', `${post}Content-Length: -1\r\n\r\n{}`, 400],
  ['an unknown transfer coding', `${post}Transfer-Encoding: nonsense\r\n\r\n{}`, 400],
  ['a chunk without a size', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400],
  ['headers that are too large', `GET / HTTP/1.1\r\n${host}X: ${'x'.repeat(17000)}\r\n\r\n`, 431],
  ['too many small headers', `GET / HTTP/1.1\r\n${host}${'A: b\r\n'.repeat(9000)}\r\n`, 431],
  ['a URL that is far too long', `GET /${'x'.repeat(17000)} HTTP/1.1\r\n${host}\r\n`, 431],
])('%s gets a problem document, and the connection is closed', async (_what, bytes, status) => {
  const answer = await exchange(port, Buffer.from(bytes, 'latin1'))
  expect(statusOf(answer)).toBe(status)
  for (const header of [
    ...['content-type: application/problem+json', 'cache-control: no-store', 'x-content-type-options: nosniff'],
    ...["content-security-policy: default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"],
    ...['referrer-policy: no-referrer', 'connection: close'],
  ])
    expect(answer).toContain(`\r\n${header}\r\n`)
  const code = status === 431 ? 'headers-too-large' : 'malformed-request'
  const [, request_id] = /\r\nx-request-id: (.*)\r\n/.exec(answer) ?? []
  expect(JSON.parse(bodyOf(answer))).toMatchObject({ type: `/problems/${code}`, status, code, request_id })
})

test.each([
  ['in HTTP/1.0', 'GET /livez HTTP/1.0\r\n\r\n', 200],
  ['with an absolute URL', `GET http://elsewhere.example/livez?x HTTP/1.1\r\n${host}\r\n`, 200],
  ['with an absolute URL without a path', `GET http://elsewhere.example HTTP/1.1\r\n${host}\r\n`, 200],
  ['with an absolute URL of version 2', `GET HTTPS://a:1/api/v2/housing/ HTTP/1.1\r\n${host}\r\n`, 200],
  ['with an absolute URL of no route', `GET http://a/api/v2/nope HTTP/1.1\r\n${host}\r\n`, 404],
  ['to switch to another protocol', `GET /livez HTTP/1.1\r\n${host}Upgrade: h2c, websocket\r\n\r\n`, 200],
  ['with an expectation that we do not know', `GET /livez HTTP/1.1\r\n${host}Expect: everything\r\n\r\n`, 200],
  ['for the whole server', `OPTIONS * HTTP/1.1\r\n${host}\r\n`, 204],
  ['with a method that no route has', `MKCOL /livez HTTP/1.1\r\n${host}\r\n`, 405],
  ['without a host', 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
  [
    'in chunks',
    `${post}Transfer-Encoding: chunked\r\n\r\n${house.length.toString(16)};x=y\r\n${house}\r\n0\r\nTrailer: x\r\n\r\n`,
    201,
  ],
  ['that waits for a 100', `${post}Expect: 100-continue\r\nContent-Length: ${house.length}\r\n\r\n${house}`, 201],
  ['whose body is far too large', `${post}Content-Length: 99999999999\r\n\r\n{`, 413],
  [
    'whose chunks are too large',
    `${post}Transfer-Encoding: chunked\r\n\r\n10001\r\n${' '.repeat(65537)}\r\n0\r\n\r\n`,
    413,
  ],
])('a request %s is answered', async (_what, bytes, status) => {
  const answer = (await exchange(port, bytes)).replace('HTTP/1.1 100 Continue\r\n\r\n', '')
  expect(statusOf(answer)).toBe(status)
  expect(answer).toContain('\r\nx-request-id: ')
})

test('a client that sends too much can read the answer, and can go on', async () => {
  const url = `http://127.0.0.1:${port}`
  for (let round = 0; round < 5; round++) {
    const send = (path: string, headers = {}) =>
      fetch(url + path, { method: 'POST', headers, body: ' '.repeat(20_000_000) })
    expect((await send('/api/v2/housing/batch', { 'content-type': 'application/json' })).status).toBe(413)
    expect((await send('/api/v2/housing')).status).toBe(415)
    expect((await send('/api/v1/housing/')).status).toBe(413)
    expect((await fetch(`${url}/livez`)).status).toBe(200)
  }
})

test('pipelined requests are answered in order', async () => {
  const paths = ['/livez', '/api/v2/housing-types/SFD', '/nope', '/api/v1/housing_type/COP', '/']
  const answers = await exchange(
    port,
    paths.map((path, i) => `GET ${path} HTTP/1.1\r\nHost: x\r\n${i === 4 ? 'Connection: close\r\n' : ''}\r\n`).join(''),
  )
  expect([...answers.matchAll(/"(ok|SFD|Not Found|COP|Sample API)"/g)].map(([, word]) => word)).toEqual([
    ...['ok', 'SFD', 'Not Found', 'COP', 'Sample API'],
  ])
})

test('a client that goes away in the middle of a request leaves one log line and nothing else', async () => {
  lines.length = 0
  const socket = connect(port, '127.0.0.1')
  socket.write(`${post}Content-Length: 100\r\n\r\n{`)
  await sleep(100)
  socket.destroy()
  await expect.poll(() => lines).toHaveLength(1)
  expect(JSON.parse(lines[0] as string)).toMatchObject({ method: 'POST', url: '/api/v2/housing', status: 400 })
  expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200)
})

/** Opens a connection, sends `start`, then `drip` again and again; returns the answer once the server closes it. */
async function dawdle(start: string, drip = ''): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(start)
  const timer = setInterval(() => socket.write(drip), 400)
  let answer = ''
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text
  })
  socket.on('error', () => {}) // from drips after the end
  await once(socket, 'close')
  clearInterval(timer)
  return answer
}

test('slow clients are cut off within ten seconds, and 2,000 idle connections do not hinder others', async () => {
  const slow = Promise.all([
    dawdle(''),
    dawdle('GET / HT'),
    dawdle(`GET / HTTP/1.1\r\n${host}X: `, 'x'),
    dawdle(`GET / HTTP/1.1\r\n${host}`, 'A: b\r\n'),
    dawdle(`${post}Content-Length: 1000\r\n\r\n{`, ' '),
    dawdle(`POST /api/v1/housing/ HTTP/1.1\r\n${host}Content-Length: 1000\r\n\r\n`),
    dawdle(`${post}Transfer-Encoding: chunked\r\n\r\n`, '1\r\n \r\n'),
  ])
  const idle: Socket[] = []
  while (idle.length < 2000) {
    // In batches, because the kernel drops some connections if too many wait to be accepted.
    const batch = Array.from({ length: 100 }, () => connect(port, '127.0.0.1').resume())
    await Promise.all(batch.map((socket) => once(socket, 'connect')))
    idle.push(...batch)
  }
  const gone = Promise.all(idle.map((socket) => once(socket, 'close')))
  for (let i = 0; i < 5; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v2/housing`, {
      method: 'POST',
      body: house,
      headers: { 'content-type': 'application/json' },
      signal: AbortSignal.timeout(5000), // the idle ones still have four more seconds
    })
    expect(answer.status).toBe(201)
  }
  for (const answer of await slow) {
    expect(statusOf(answer)).toBe(408)
    expect(JSON.parse(bodyOf(answer))).toMatchObject({ code: 'request-timeout', status: 408 })
  }
  await gone
})
