import { expect, onTestFinished, test } from 'vitest'
import { makeApiKey } from '../src/access/api-key.ts'
import { exchange, remote } from './support/http.ts'
import { audience, startIssuer } from './support/issuer.ts'
import { embedded, onServer } from './support/places.ts'
import { startPostgres } from './support/postgres.ts'
import { run, serve } from './support/program.ts'

const places = { embedded, server: onServer }
const starts = ['127.0.0.1', '0.0.0.0'].flatMap((HOST) =>
  (['embedded', 'server'] as const).flatMap((database) =>
    (['open', 'keys'] as const).map((AUTH) => ({ HOST, database, AUTH })),
  ),
)

test.each(starts)('at the start on $HOST, $database, with AUTH=$AUTH', async ({ HOST, database, AUTH }) => {
  const { env } = await places[database]()
  const program = await serve({ env: { ...env, HOST, AUTH } })
  const api = remote(`http://127.0.0.1:${program.port}`)
  const isOpen = AUTH === 'open'
  expect((await api.list()).status).toBe(isOpen ? 200 : 401)
  expect((await api.send('GET', '/api/v1/housing_type/')).status).toBe(isOpen ? 200 : 401)
  expect((await api.get('/readyz')).body).toMatchObject({ status: 'ok', auth: AUTH })
  const warnings = program.lines().filter(({ level, msg }) => level === 'warn' && /AUTH/.test(msg))
  expect(warnings).toHaveLength(isOpen && HOST === '0.0.0.0' ? 1 : 0)
})

test('half a configuration ends the start with exit code 2, and says what is missing', async () => {
  const { code, stderr } = await run({ env: { AUTH: 'keys', AUTH_ISSUER: 'https://id.example.org' } })
  expect(code).toBe(2)
  expect(stderr).toContain('AUTH_ISSUER is set, but AUTH_AUDIENCE is not: set both, or neither.')
})

test('without its database a key is a 503, never a 401, and works again afterwards', async () => {
  const server = await startPostgres()
  onTestFinished(server.stop)
  const issuer = await startIssuer()
  onTestFinished(issuer.close)
  const tokens = { AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: audience }
  const program = await serve({ env: { DATABASE_URL: server.url, ...tokens, AUTH: 'keys' } })
  const key = await run({
    env: { DATABASE_URL: server.url },
    command: ['keys', 'create', '--name=x', '--scope=housing:read'],
  })
  const ask = (credentials: string) =>
    remote(program.url).send('GET', '/api/v2/housing-types', undefined, { authorization: `Bearer ${credentials}` })
  const statusOf = async (credentials: string) => (await ask(credentials)).status
  await expect.poll(() => statusOf(key.stdout.trim()), { timeout: 10_000 }).toBe(200)
  await server.crash()
  const seen = new Set<number>()
  await expect
    .poll(
      async () => {
        const { status, headers } = await ask(key.stdout.trim())
        seen.add(status)
        if (status === 503) expect(headers.get('retry-after')).toBe('1')
        return status
      },
      { timeout: 10_000 },
    )
    .toBe(503)
  expect(await statusOf('garbage'), 'it needs no look at the database').toBe(401)
  expect(await statusOf(issuer.sign()), 'the caller is known, the types are not').toBe(503)
  expect([...seen].sort()).toEqual(seen.has(200) ? [200, 503] : [503])
  await server.start()
  await expect.poll(() => statusOf(key.stdout.trim()), { timeout: 30_000 }).toBe(200)
})

test('no line of the log has credentials, wherever they are sent and whatever becomes of them', async () => {
  const issuer = await startIssuer()
  const { env, query } = await onServer()
  const program = await serve({
    env: { ...env, AUTH: 'keys', AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: audience, LOG_LEVEL: 'trace' },
  })
  const { key, id, hash } = makeApiKey()
  await query(`insert into housing.api_keys (id, hash, name, scopes, expires_at)
    values ('${id}', '\\x${hash.toString('hex')}', 'test', '{housing:write}', now() + interval '1 day')`)
  const api = remote(program.url)
  const secrets = [key, makeApiKey().key, issuer.sign(), issuer.sign({ exp: 1 }), issuer.sign({ aud: 'other' })]
  await expect
    .poll(async () => (await api.send('GET', '/api/v2/housing', undefined, { authorization: `Bearer ${key}` })).status)
    .toBe(200)
  for (const secret of secrets) {
    const authorization = `Bearer ${secret}`
    await api.send('POST', '/api/v2/housing', { address: secret }, { authorization })
    await api.send('POST', `/api/v2/housing?key=${secret}`, undefined, { authorization, 'x-request-id': secret })
    await api.send('GET', `/api/v2/housing/${secret}`, undefined, { authorization, traceparent: secret })
    await api.send('GET', `/${secret}?${secret}#${secret}`, undefined, { authorization, origin: secret })
    await exchange(
      program.port,
      `GET /${secret} HTTP/9.9\r\nHost: ${secret}\r\nAuthorization: ${authorization}\r\n\r\n`,
    )
    await exchange(program.port, `${authorization}\r\n\r\n`)
  }
  await issuer.close()
  await api.list()
  program.signal('SIGTERM')
  expect(await program.exit).toBe(0)
  const { stdout, stderr } = program.output
  expect(stdout).toContain(`"caller":"key:${id}"`)
  for (const secret of secrets)
    for (const part of secret.split(/[_.]/).filter(({ length }) => length > 20))
      expect(stdout + stderr, part.slice(0, 6)).not.toContain(part.slice(0, 20))
})
