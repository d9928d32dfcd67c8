import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { cutOffUnread } from './connections.ts'

test('a client that does not read its answer is cut off, one that reads it slowly is not', async () => {
  const size = 20_000_000
  const server = createServer((_request, response) => response.end(Buffer.alloc(size))).listen(0, '127.0.0.1')
  cutOffUnread(server, 600)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const open = async () => {
    const accepted = once(server, 'connection')
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
    client.on('error', () => {}) // from being cut off
    client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    const [socket] = (await accepted) as [Socket]
    return { client, socket }
  }
  const [unread, slow] = [await open(), await open()]
  let received = 0
  slow.client.on('data', (bytes) => {
    received += bytes.length
    slow.client.pause()
  })
  const reading = setInterval(() => slow.client.resume(), 1)
  await once(unread.socket, 'close')
  await expect.poll(() => received, { timeout: 25_000 }).toBeGreaterThanOrEqual(size)
  clearInterval(reading)
  slow.client.destroy()
})
