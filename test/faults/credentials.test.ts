import autocannon from 'autocannon'
import { expect, test, vi } from 'vitest'
import { makeApiKey } from '../../src/access/api-key.ts'
import { exchange, remote } from '../support/http.ts'
import { audience, startIssuer } from '../support/issuer.ts'
import { memoryOf } from '../support/memory.ts'
import { embedded, onServer } from '../support/places.ts'
import { serve } from '../support/program.ts'
import { isLong } from '../support/rounds.ts'

vi.setConfig({ testTimeout: isLong ? 600_000 : 120_000 })

const amount = isLong ? 100_000 : 5_000

test('a flood of wrong credentials fills neither the memory nor the log, and holds nobody up', async () => {
  const issuer = await startIssuer()
  const { env, query } = await onServer()
  const tokens = { AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: audience }
  const program = await serve({ env: { ...env, ...tokens, AUTH: 'keys', TRUST_PROXY: '127.0.0.1' } })
  const { key, id, hash } = makeApiKey()
  await query(`insert into housing.api_keys (id, hash, name, scopes, expires_at)
    values ('${id}', '\\x${hash.toString('hex')}', 'test', '{housing:read}', now() + interval '1 day')`)
  const api = remote(program.url)
  const list = () => api.send('GET', '/api/v2/housing', undefined, { authorization: `Bearer ${key}` })
  await expect.poll(async () => (await list()).status).toBe(200)

  const wrong = [
    () => makeApiKey().key,
    () => issuer.sign({}, { header: { kid: makeApiKey().id } }),
    () => 'x'.repeat(8000),
  ]
  const flood = (round: number) =>
    autocannon({
      url: program.url,
      connections: 20,
      amount,
      setupClient: (client) =>
        client.setRequests(
          Array.from({ length: 100 }, (_, i) => ({
            path: '/api/v2/housing',
            headers: {
              authorization: `Bearer ${wrong[i % wrong.length]?.()}`,
              ...(round > 0 && { 'x-forwarded-for': `2001:db8:${round}:${i.toString(16)}::1` }),
            },
          })),
        ),
    })
  await flood(0)
  const before = memoryOf(program.pid)
  for (const round of [0, 1, 2]) {
    const flooding = flood(round)
    const [alive, valid] = [await api.alive(), (await list()).status]
    expect([alive, valid]).toEqual([200, 200])
    const { '2xx': done, '4xx': denied, '5xx': failed } = await flooding
    expect({ done, denied, failed }).toEqual({ done: 0, denied: amount, failed: 0 })
  }
  if (process.platform === 'linux') expect(memoryOf(program.pid) - before).toBeLessThan(100)
  const warnings = program.lines().filter(({ level }) => level === 'warn')
  expect(warnings.length).toBeGreaterThan(0)
  expect(warnings.length, 'most are counted, not written').toBeLessThan(amount / 2)
  await issuer.close()
})

test('credentials of a megabyte are cut off, and a half of a key is denied', async () => {
  const program = await serve({ env: { ...(await embedded()).env, AUTH: 'keys' } })
  const ask = (authorization: string) =>
    exchange(
      program.port,
      `GET /api/v2/housing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: ${authorization}\r\n\r\n`,
    )
  expect(await ask(`Bearer ${'x'.repeat(1024 * 1024)}`)).toMatch(/^HTTP\/1.1 431 /)
  expect(await ask(`Bearer ${makeApiKey().key}\n${makeApiKey().key}`)).toMatch(/^HTTP\/1.1 400 /)
  expect(await ask(`Bearer ${makeApiKey().key}\r\n ${makeApiKey().key}`)).toMatch(/^HTTP\/1.1 40[01] /)
  for (const length of [3, 20, 46, 52])
    expect(await ask(`Bearer ${makeApiKey().key.slice(0, length)}`), `${length}`).toMatch(/^HTTP\/1.1 401 /)
  expect(await remote(program.url).alive()).toBe(200)
})
