import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { remote } from '../support/http.ts'
import { embedded } from '../support/places.ts'
import { serve } from '../support/program.ts'
import { isLong } from '../support/rounds.ts'

const house = (city: string) =>
  JSON.stringify({ address: '1', street: 'Main', city, postal_code: 'V8V 1A1', housing_type: 'SFD' })
const head = (path: string, fields: string) =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n${fields}\r\n\r\n`
const post = (city: string) => head('/api/v2/housing', `Content-Length: ${house(city).length}`) + house(city)
const half = Math.floor(post('x').length - 40)
const get = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n'
const v1 = JSON.stringify({ address: '1', street: 'Main', city: 'v1', postal_code: 'V8V 1A1', housing_type_id: 1 })
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`

/** Sends `first`, and `rest` as soon as an answer contains `until`; returns all that was answered. */
async function converse(port: number, first: string, until: string, rest: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  socket.on('error', () => {}) // from writing to a closed connection
  socket.write(first, 'latin1')
  let answer = ''
  let isSent = false
  socket.on('data', (text: string) => {
    answer += text
    if (isSent || !answer.includes(until)) return
    isSent = true
    socket.write(rest, 'latin1')
  })
  await once(socket, 'close')
  return answer
}

const statusesOf = (answers: string) => [...answers.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => Number(status))
const itemsOf = async ({ url }: { url: string }): Promise<unknown[]> => (await remote(url).list()).body.items

test('a rejected request is never carried out, whatever arrives after the answer', async () => {
  const program = await serve(await embedded())
  const { port } = program
  const late: [what: string, statuses: number[], first: string, rest: string][] = [
    ['half a body', [408], post('a').slice(0, -20), post('a').slice(-20)],
    ['half the headers', [408], post('b').slice(0, 60), post('b').slice(60)],
    ['nothing', [408], '', post('c')],
    [
      'some chunks',
      [408],
      head('/api/v2/housing', 'Transfer-Encoding: chunked') + chunk(house('d').slice(0, 30)),
      `${chunk(house('d').slice(30))}0\r\n\r\n`,
    ],
    ['half a request after a whole one', [200, 408], get + post('e').slice(0, half), post('e').slice(half)],
    ['half a body, then other requests', [408], post('f').slice(0, -9), post('f').slice(-9) + post('g').repeat(2000)],
    ['half a body of version 1', [408], head('/api/v1/housing/', `Content-Length: ${v1.length}`), v1],
  ]
  const unparsable: typeof late = [
    ['no HTTP', [400], 'hello\r\n\r\n', post('i')],
    ['no HTTP before a request', [400], `hello\r\n\r\n${post('j')}`, post('k')],
    ['no HTTP after a request', [200, 400], `${get}hello\r\n\r\n${post('l')}`, post('m')],
    ['no chunk', [400], `${head('/api/v2/housing', 'Transfer-Encoding: chunked')}zz\r\n${post('n')}`, post('o')],
    ['large headers', [431], `GET / HTTP/1.1\r\nX: ${'x'.repeat(20_000)}`, `\r\n\r\n${post('p')}`],
  ]
  const answers = await Promise.all(
    [...late, ...unparsable].map(async ([what, statuses, first, rest]) => {
      const last = ` ${statuses.at(-1)} `
      return { what, statuses, answer: await converse(port, first, last, rest) }
    }),
  )
  for (const { what, statuses, answer } of answers) {
    expect(statusesOf(answer), what).toEqual(statuses)
    const { status, request_id } = JSON.parse(answer.slice(answer.lastIndexOf('\r\n\r\n')))
    const lines = () => program.lines().filter((line) => line.request_id === request_id)
    await expect.poll(lines, { message: what }).toMatchObject([{ level: 'info', status, client: '127.0.0.1' }])
  }
  expect(await itemsOf(program)).toEqual([])
})

test('what was begun before the rejection is answered first, and everything is answered once', async () => {
  const program = await serve(await embedded())
  const { port } = program
  expect(statusesOf(await converse(port, `${post('a')}hello\r\n\r\n`, ' 400 ', post('b')))).toEqual([201, 400])
  // Their bodies never arrive, and nobody waits for them.
  const remove = 'DELETE /api/v2/housing/1 HTTP/1.1\r\nHost: localhost\r\nIf-Match: *\r\nContent-Length: 5\r\n\r\n'
  const answers = [remove, head('/nope', 'Content-Length: 5'), head('/api/v2/housing', 'Content-Length: 99999')].map(
    (request) => converse(port, request, 'HTTP/1.1', ''),
  )
  expect((await Promise.all(answers)).map(statusesOf)).toEqual([[204], [404], [413]])
  expect(await itemsOf(program)).toEqual([])
})

test('pipelined requests begin one at a time, and others are answered meanwhile', async () => {
  const program = await serve(await embedded())
  const socket = connect(program.port, '127.0.0.1').setEncoding('latin1')
  const pairs = 20
  const count = isLong ? 100_000 : 20_000
  for (let i = 0; i < pairs; i++) socket.write(post(`${i}`) + get.replace('/livez', '/api/v2/housing?count=exact'))
  socket.write(get.repeat(count) + get.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  let answer = ''
  let isOpen = true
  socket.on('data', (text: string) => {
    answer += text
  })
  socket.on('close', () => {
    isOpen = false
  })
  let others = 0
  for (; isOpen; others++) expect((await fetch(`${program.url}/livez`)).status).toBe(200)
  expect(others).toBeGreaterThan(2)
  expect(statusesOf(answer)).toHaveLength(2 * pairs + count + 1)
  const totals = [...answer.matchAll(/"total":(\d+)/g)].map(([, total]) => Number(total))
  expect(totals).toEqual(Array.from({ length: pairs }, (_, i) => i + 1))
}, 60_000)

test('with HOST=localhost no address is served without the limits', async () => {
  const { env } = await embedded()
  const { port } = await serve({ env: { ...env, HOST: 'localhost' } })
  for (const address of ['127.0.0.1', '::1']) {
    const socket = connect(port, address).setEncoding('latin1')
    let answer = ''
    socket.on('data', (text: string) => {
      answer += text
    })
    socket.on('error', (error) => {
      answer = error.message
    })
    socket.write('nonsense\r\n\r\n')
    await new Promise((closed) => socket.once('close', closed))
    expect(answer, address).toMatch(address === '::1' ? /problem\+json|ECONNREFUSED|EADDRNOTAVAIL/ : 'problem+json')
  }
})
