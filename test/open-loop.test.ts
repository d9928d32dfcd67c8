import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { sendLoad } from '../bench/open-loop.ts'

const count = 500

/** A server on which this happens for each request. */
async function server(answer: (response: ServerResponse, url: string) => void) {
  const server = createServer(({ url = '' }, response) => answer(response, url)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`

test('the generator of load waits for no answer: a server that answers nothing before all have come gets all', async () => {
  const waiting: ServerResponse[] = []
  const port = await server((response) => {
    if (waiting.push(response) === count) for (const each of waiting) each.end('done')
  })
  const sent = await sendLoad({ port, rate: 2000, seconds: count / 2000, requests: [get('/')] })
  expect(sent).toHaveLength(count)
  for (const [n, { scheduled, started, answered, status }] of sent.entries()) {
    expect(scheduled).toBeCloseTo(n / 2)
    expect(started).toBeGreaterThanOrEqual(scheduled)
    expect(answered).toBeGreaterThan(sent.at(-1)?.started ?? 0)
    expect(status).toBe(200)
  }
})

test('it tells the answers apart, and those that never came', async () => {
  const port = await server((response, url) => {
    if (url === '/503') response.writeHead(503, { 'retry-after': '1' })
    if (url === '/reset') response.socket?.resetAndDestroy()
    else response.end('')
  })
  const sent = await sendLoad({ port, rate: 300, seconds: 0.01, requests: [get('/'), get('/503'), get('/reset')] })
  expect(sent).toMatchObject([{ status: 200, saysWhen: false }, { status: 503, saysWhen: true }, {}])
  expect(sent[2]?.answered).toBeUndefined()
})
