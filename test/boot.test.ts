import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { embedded, onServer } from './support/places.ts'
import { freePort, guarded, startPostgres } from './support/postgres.ts'
import { run, serve, start } from './support/program.ts'
import { startProxy } from './support/proxy.ts'

vi.setConfig({ testTimeout: 120_000 })

/** A server that tests may kill. */
const server = await startPostgres()
const serverPort = new URL(server.url).port
afterAll(() => server.stop())

const body = JSON.stringify({
  ...{ address: '735', street: 'Broughton Street', city: 'Victoria' },
  ...{ postal_code: 'V8W 3H2', housing_type: 'COP' },
})
const post = (url: string) =>
  fetch(`${url}/api/v2/housing`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
const status = async (url: string) => (await fetch(url)).status
const readiness = async (url: string) => JSON.parse(await (await fetch(`${url}/readyz`)).text())

/** Sends a request except its last byte; returns a function that sends that byte, and the answer. */
async function beginRequest(url: string) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.on('error', () => {})
  const head = `POST /api/v2/housing HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
  socket.write(head + body.slice(0, -1))
  let answer = ''
  socket.setEncoding('utf8').on('data', (text) => {
    answer += text
  })
  await status(`${url}/livez`) // once this is answered, the first request has been read too
  return {
    finish: () => socket.write(body.slice(-1)),
    answer: once(socket, 'close').then(() => answer),
  }
}

describe.each([
  ['embedded', embedded],
  ['server', onServer],
] as const)('on the back end %s', (backend, settings) => {
  test('it serves, finishes open requests after a signal, and leaves nothing behind', async () => {
    const { env } = await settings()
    const program = await serve({ env })
    expect(await (await fetch(program.url)).json()).toEqual({ message: 'Sample API' })
    expect(await status(`${program.url}/api/v1/housing_type/`)).toBe(200)
    expect((await post(program.url)).status).toBe(201)
    expect(await readiness(program.url)).toMatchObject({ status: 'ok' })

    const request = await beginRequest(program.url)
    program.signal('SIGTERM')
    program.signal('SIGTERM') // npm passes on a signal that the terminal has already sent
    await program.says('SIGTERM: closing')
    await expect.poll(() => fetch(program.url).catch(() => 'refused'), { timeout: 10_000 }).toBe('refused')
    request.finish()
    expect(await request.answer).toMatch(/^HTTP\/1\.1 201 /)
    expect(await program.exit).toBe(0)
    expect(program.output).toMatchObject({ stderr: '', stdout: expect.not.stringContaining('cut off') })
    if ('DATA_DIR' in env) expect(existsSync(join(env.DATA_DIR, 'holder.pid'))).toBe(false)
  })

  test('Ctrl-C ends it, even before it is ready', async () => {
    const { env } = await settings()
    const ready = await serve({ env })
    ready.signal('SIGINT')
    expect(await ready.exit).toBe(0)
    if ('DATA_DIR' in env) {
      const opening = start({ env })
      while (!existsSync(join(env.DATA_DIR, 'holder.pid'))) await sleep(1)
      opening.signal('SIGINT')
      expect(await opening.exit).toBe(0)
    } else {
      const waiting = start({ env: { POSTGRES_PORT: `${await freePort()}` } })
      await waiting.says('Waiting for the database')
      waiting.signal('SIGINT')
      expect(await waiting.exit).toBe(0)
    }
  })

  test('`migrate` applies the missing migrations, says so and exits', async () => {
    const { env } = await settings()
    const first = await run({ command: ['migrate'], env })
    expect(first).toMatchObject({ code: 0, stderr: '' })
    expect(first.stdout).toMatch(/The schema is at \d+\.\d+\.\d+: \S.*\.\n$/)
    if (backend === 'server') expect(first.stdout).toMatch(/^Applied V1\.0\.0__init\.sql\.\n/)
    const again = await run({ command: ['migrate'], env })
    expect(again.stdout).toBe(first.stdout.split('\n').slice(-2).join('\n'))
  })
})

describe('a signal', () => {
  test('makes it report not ready for DRAIN_SECONDS while it still serves', async () => {
    const { env } = await onServer()
    const program = await serve({ env: { ...env, DRAIN_SECONDS: '5' } })
    program.signal('SIGTERM')
    await program.says('closing in 5 s')
    const ready = await fetch(`${program.url}/readyz`)
    expect([ready.status, ready.headers.get('connection')]).toEqual([503, 'close'])
    expect(await ready.json()).toMatchObject({ checks: { process: { ok: false, draining: true } } })
    expect(await status(`${program.url}/api/v1/housing_type/`)).toBe(200)
    expect(await program.exit).toBe(0)
  })

  test('ends it without waiting for connections that never carried a request', async () => {
    const program = await serve({ env: { POSTGRES_PORT: `${await freePort()}` }, until: 'listening' })
    const { hostname, port } = new URL(program.url)
    const socket = connect(Number(port), hostname)
    await once(socket, 'connect')
    program.signal('SIGTERM')
    expect(await program.exit).toBe(0)
    expect(program.output.stdout).not.toContain('cut off')
  })

  test('sent again a second later ends it at once', async () => {
    const { env } = await onServer()
    const program = await serve({ env })
    const request = await beginRequest(program.url)
    program.signal('SIGTERM')
    await program.says('SIGTERM: closing')
    await sleep(1100)
    program.signal('SIGTERM')
    expect(await program.exit).toBe(1)
    expect(await request.answer).toBe('')
  })
})

describe('the program does not start, and clearly says why, with:', () => {
  test('a taken port', async () => {
    const { env } = await onServer()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    onTestFinished(() => void taken.close())
    const { port } = taken.address() as { port: number }
    expect(await run({ env: { ...env, PORT: `${port}` } })).toEqual({
      code: 1,
      stdout: expect.not.stringContaining('listens on'),
      stderr: `sample-api: Cannot listen: port ${port} of 127.0.0.1 is in use. Stop the process that uses it, or set PORT to another port.\n`,
    })
  })

  test('wrong settings, which are all reported at once without any secret', async () => {
    const env = {
      PORT: '0x50',
      LOG_LEVEL: 'loud',
      MIGRATE: 'maybe',
      POSTGRES_SERVER: 'a b',
      POSTGRES_PASSWORD: 'hunter2',
    }
    const { code, stdout, stderr } = await run({ env })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toMatch(/^sample-api: The settings are invalid:\n( {2}[A-Z_]+ .*\n){4}$/)
    for (const name of ['PORT', 'LOG_LEVEL', 'MIGRATE', 'POSTGRES_SERVER']) expect(stderr).toContain(`\n  ${name} `)
    expect(stderr).not.toContain('hunter2')
  })

  test('a wrong password', async () => {
    const client = new pg.Client(server.url)
    await client.connect()
    await client.query(`create role ${guarded} login password 'right'`)
    await client.end()
    const env = { POSTGRES_PORT: serverPort, POSTGRES_USER: guarded, POSTGRES_PASSWORD: 'hunter2' }
    const message = `sample-api: The database reports: password authentication failed for user "${guarded}" (SQLSTATE 28P01). Check POSTGRES_USER and POSTGRES_PASSWORD.\n`
    for (const command of [[], ['migrate']]) {
      const { code, stdout, stderr } = await run({ env, command })
      expect({ code, stderr }).toEqual({ code: 1, stderr: message })
      expect(stdout).not.toContain('hunter2')
    }
  })

  test('a password with a newline at its end, which every command reports and uses as it is', async () => {
    const env = { POSTGRES_PORT: serverPort, POSTGRES_USER: guarded, POSTGRES_PASSWORD: 'right\n' }
    const warning = 'POSTGRES_PASSWORD ends with a newline, which counts as part of the password'
    const [serving, migrating, checking] = [
      await run({ env }),
      await run({ env, command: ['migrate'] }),
      await run({ env, command: ['settings'] }),
    ]
    expect(serving).toMatchObject({ code: 1, stdout: expect.stringContaining(warning) })
    expect(migrating).toMatchObject({ code: 1, stderr: expect.stringContaining(`sample-api: ${warning}`) })
    expect(checking).toMatchObject({ code: 0, stderr: expect.stringContaining(`sample-api: ${warning}`) })
    expect(JSON.stringify([serving, migrating, checking])).not.toContain('right\\n')
  })

  test('an unknown database', async () => {
    const { code, stderr } = await run({ env: { POSTGRES_PORT: serverPort, POSTGRES_DB: 'nowhere' } })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr:
        'sample-api: The database reports: database "nowhere" does not exist (SQLSTATE 3D000). Create it, or check POSTGRES_DB.\n',
    })
  })

  test('a schema that needs a newer release', async () => {
    const { env, query } = await onServer()
    await run({ command: ['migrate'], env })
    await query(`insert into housing.flyway_schema_history
      values (99, '99', 'x', 'SQL', 'V99__x.sql', 1, 'me', now(), 1, true)`)
    expect((await serve({ env })).output.stdout).toContain('Ready: the schema is at 99')
    await query(`create or replace function housing.oldest_release() returns text language sql as $$ select '99' $$`)
    for (const MIGRATE of ['on', 'check']) {
      const { code, stderr } = await run({ env: { ...env, MIGRATE } })
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/^sample-api: The database is at 99 \(V99__x\.sql\), newer than .*\n$/),
      })
    }
  })

  test('`migrate` and no server, by address or by name', async () => {
    const POSTGRES_PORT = `${await freePort()}`
    for (const POSTGRES_SERVER of ['127.0.0.1', 'localhost']) {
      const { code, stderr } = await run({ command: ['migrate'], env: { POSTGRES_SERVER, POSTGRES_PORT } })
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(/^sample-api: The database cannot be reached: connect ECONNREFUSED \S+\n$/),
      })
    }
  })

  test('an unknown command', async () => {
    const { code, stdout, stderr } = await run({ command: ['serv'] })
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe("error: unknown command 'serv'\n(Did you mean serve?)\n")
  })

  test('an old Node', async () => {
    const versions = 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.18.3" } })'
    const old = await run({
      program: [process.execPath, '--import', `data:text/javascript,${versions}`, 'scripts/prepare.mjs'],
    })
    expect(old).toEqual({
      code: 1,
      stdout: '',
      stderr: 'Sample API needs Node 20.19 or newer, and this is 20.18.3: see https://nodejs.org.\n',
    })
  })
})

test('--help names the commands, and --version the release', async () => {
  const help = await run({ command: ['--help'] })
  expect(help).toMatchObject({ code: 0, stderr: '' })
  expect(help.stdout).toMatch(/serve .*\n.*migrate /s)
  expect(await run({ command: ['--version'] })).toEqual({ code: 0, stdout: '2.0.0\n', stderr: '' })
})

describe('a database that fails', () => {
  const types = '/api/v2/housing-types'
  const houses = '/api/v2/housing'
  const back = { timeout: 20_000, interval: 50 }

  test('while it is down everything but data is served, and no restart is needed when it comes and goes', async () => {
    await server.crash()
    const program = await serve({ env: { DATABASE_URL: server.url }, until: 'listening' })
    await program.says(/Waiting for the database, .*: connect ECONNREFUSED/)
    expect(await status(`${program.url}/livez`)).toBe(200)
    expect(await status(program.url)).toBe(200)
    expect(await status(`${program.url}/docs/`)).toBe(200)
    for (const path of [types, '/api/v1/housing_type/']) {
      const refused = await fetch(program.url + path)
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    }
    expect(await readiness(program.url)).toMatchObject({
      status: 'unavailable',
      checks: { database: { ok: false }, schema: { ok: false, found: null }, process: { ok: true } },
    })

    await server.start()
    await expect.poll(() => status(program.url + types), back).toBe(200)
    expect(await readiness(program.url)).toMatchObject({ status: 'ok' })

    await server.crash()
    const refused = await fetch(program.url + types)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await readiness(program.url)).toMatchObject({ checks: { database: { ok: false }, schema: { ok: true } } })
    expect(await status(`${program.url}/livez`)).toBe(200)

    await server.start()
    await expect.poll(() => status(program.url + types), back).toBe(200)
    program.signal('SIGTERM')
    expect(await program.exit).toBe(0)
  })

  test('MIGRATE=check waits for another tool to migrate, and reports the expected and the found version', async () => {
    const { env } = await onServer()
    const program = await serve({ env: { ...env, MIGRATE: 'check' }, until: 'listening' })
    await program.says('Waiting for another tool to apply V1.0.0__init.sql')
    expect(await readiness(program.url)).toMatchObject({
      checks: { database: { ok: true }, schema: { ok: false, expected: expect.stringMatching(/^\d/), found: null } },
    })
    expect(await status(program.url + types)).toBe(503)
    await run({ command: ['migrate'], env })
    await expect.poll(() => status(program.url + types), back).toBe(200)
    expect((await readiness(program.url)).checks.schema).toMatchObject({ ok: true })
  })

  test('no request fails because idle connections were terminated', async () => {
    const { env, query } = await onServer()
    const program = await serve({ env })
    await Promise.all(Array.from({ length: 5 }, () => status(program.url + types)))
    const { rows } = await query(`select pg_terminate_backend(pid, 10000) as ended from pg_stat_activity
      where datname = current_database() and application_name = 'sample-api'`)
    expect(rows).toContainEqual({ ended: true })
    const all = await Promise.all(Array.from({ length: 10 }, () => status(program.url + types)))
    expect(all).toEqual(Array(10).fill(200))
    expect(program.lines().filter(({ level }) => level === 'error')).toEqual([])
  })

  test('requests fail within seconds while it hangs, and succeed again once it answers', async () => {
    const { env } = await onServer()
    const url = new URL(env.DATABASE_URL)
    const proxy = await startProxy(Number(url.port))
    onTestFinished(() => proxy.close())
    url.port = `${proxy.port}`
    const program = await serve({ env: { DATABASE_URL: url.href } })
    expect(await status(program.url + houses)).toBe(200)
    proxy.hang(true)
    const read = fetch(program.url + houses) // on the open connection
    expect(await status(`${program.url}/readyz`)).toBe(503)
    const write = await post(program.url)
    expect([write.status, write.headers.get('retry-after')]).toEqual([503, '1'])
    expect((await read).status).toBe(504)
    expect(await status(`${program.url}/livez`)).toBe(200)
    proxy.hang(false)
    await expect.poll(() => status(program.url + houses), back).toBe(200)
  })

  test('the program listens even if it hangs from the start', async () => {
    const proxy = await startProxy(Number(serverPort))
    onTestFinished(() => proxy.close())
    proxy.hang(true)
    const env = { POSTGRES_PORT: `${proxy.port}` }
    const program = await serve({ env, until: 'listening' })
    expect(await status(program.url + types)).toBe(503)
    expect(await status(`${program.url}/readyz`)).toBe(503)
    proxy.hang(false)
    await expect.poll(() => status(program.url + types), back).toBe(200)
  })
})

test('the log is one JSON object per line, no client can forge a line, and it contains no secret', async () => {
  const { env } = await onServer()
  const url = new URL(env.DATABASE_URL)
  url.password = 'hunter2'
  const program = await serve({ env: { DATABASE_URL: url.href } })
  const forged = '%0A{"level":"fatal"}"\\'
  const { hostname, port } = new URL(program.url)
  const socket = connect(Number(port), hostname)
  const id = 'x-request-id: a"},{"level":"fatal"'
  socket.end(`GET /${forged} HTTP/1.1\r\nHost: localhost\r\n${id}\r\nConnection: close\r\n\r\nnonsense\r\n\r\n`)
  await once(socket.resume(), 'close')
  const answer = await fetch(`${program.url}/livez`, { headers: { 'x-request-id': 'abc' } })
  expect(answer.headers.get('x-request-id')).toBe('abc')
  program.signal('SIGTERM')
  expect(await program.exit).toBe(0)

  const lines = program.output.stdout.split('\n')
  expect(lines.pop()).toBe('')
  expect(lines.map((line) => Object.keys(JSON.parse(line)).slice(0, 2))).toEqual(lines.map(() => ['level', 'time']))
  for (const { level } of program.lines()) expect(['info', 'warn']).toContain(level)
  expect(program.lines()).toContainEqual(
    expect.objectContaining({
      request_id: 'abc',
      method: 'GET',
      route: '/livez',
      url: '/livez',
      status: 200,
      bytes: 15,
    }),
  )
  expect(program.lines().map(({ url }) => url)).toContainEqual(expect.stringContaining(forged))
  expect(program.output.stdout + program.output.stderr).not.toContain('hunter2')
})
