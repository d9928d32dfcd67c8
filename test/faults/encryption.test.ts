import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { temporaryFolder } from '../support/places.ts'
import { run } from '../support/program.ts'

/** What a client of Postgres sends first to ask for TLS. */
const request = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]).toString('latin1')

/** Runs `migrate` with a server that answers its first bytes in this way: what it said, and what the server received. */
async function migrate(sslMode: string, answer: (socket: Socket, received: string[]) => void) {
  const received: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (bytes) => {
      received.push(bytes.toString('latin1'))
      answer(socket, received)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const env = { POSTGRES_SERVER: 'localhost', POSTGRES_PORT: `${port}`, POSTGRES_SSLMODE: sslMode }
  const { stderr: said } = await run({ env, command: ['migrate'] })
  return { said, received }
}

test.each(['require', 'verify-full'])(
  'with POSTGRES_SSLMODE=%s nothing is sent to a server that does not encrypt',
  async (sslMode) => {
    const { said, received } = await migrate(sslMode, (socket, received) => {
      socket.on('data', (bytes) => received.push(bytes.toString('latin1')))
      socket.write('N')
    })
    expect(said).toContain('does not support SSL')
    expect(new Set(received)).toEqual(new Set([request]))
  },
)

test('with POSTGRES_SSLMODE=verify-full nothing is sent to a server whose certificate nobody vouches for', async ({
  skip,
}) => {
  const folder = await temporaryFolder()
  const [key, cert] = [join(folder, 'key'), join(folder, 'certificate')]
  const command = `req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 1 -keyout ${key} -out ${cert}`
  await promisify(execFile)('openssl', command.split(' ')).catch(() => skip('openssl is needed: put it on the PATH'))
  const attempt = (sslMode: string) =>
    migrate(sslMode, (socket, received) => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, key: readFileSync(key), cert: readFileSync(cert) })
      secure.on('error', () => {})
      secure.once('data', (bytes) => {
        received.push(bytes.toString('latin1'))
        secure.destroy()
      })
    })
  expect((await attempt('require')).received, 'it does not verify').toContainEqual(expect.stringContaining('postgres'))
  const { said, received } = await attempt('verify-full')
  expect(said).toContain('self-signed certificate')
  expect(new Set(received)).toEqual(new Set([request]))
})
