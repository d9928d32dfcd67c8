import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { library, remote } from '../support/http.ts'
import { dataFolder, onServer } from '../support/places.ts'
import { freePort } from '../support/postgres.ts'
import { serve, start } from '../support/program.ts'
import { startProxy } from '../support/proxy.ts'

const get = (url: string, count: number) =>
  `GET ${url} HTTP/1.1\r\nHost: localhost\r\n\r\n`.repeat(count - 1) +
  `GET ${url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`

/** Sends many requests over one connection; returns how many were answered. */
async function flood(port: number, count: number): Promise<number> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1')
  socket.write(get(`/livez?${'x'.repeat(2000)}`, count))
  let answers = ''
  for await (const text of socket) answers += text
  return answers.split('HTTP/1.1 200').length - 1
}

test.each([
  ['the reader of its log has gone away', '| head -n 1'],
  ['the disk of its log is full', '> /dev/full'],
])('the program keeps running if %s', async (_what, where) => {
  const PORT = String(await freePort())
  const program: [string, ...string[]] = ['sh', '-c', `exec ${process.execPath} dist/main.js ${where}`]
  if (where.startsWith('|')) program[2] = `${process.execPath} dist/main.js ${where}; sleep 60`
  const { output } = start({ program, group: true, env: { PORT, DATA_DIR: await dataFolder() } })
  const isReady = () =>
    fetch(`http://localhost:${PORT}/readyz`).then(
      ({ status }) => status === 200,
      () => false,
    )
  await expect.poll(isReady, { timeout: 25_000, message: output.stderr }).toBe(true)
  expect(await flood(Number(PORT), 100)).toBe(100)
  expect(await isReady()).toBe(true)
  expect(output.stderr).toBe('')
})

test('a slow reader of the log costs lines, which are counted, and neither time nor memory', async () => {
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(process.execPath, ['dist/main.js'], {
    env: { PATH, HOME, PORT: '0', DATA_DIR: await dataFolder() },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exit = once(child, 'exit')
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exit
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  await expect.poll(() => output, { timeout: 25_000 }).toContain('Ready: ')
  const port = Number(/listens on http:\/\/localhost:(\d+)/.exec(output)?.[1])
  child.stdout.pause()
  const count = 4000
  expect(await flood(port, count)).toBe(count)
  child.stdout.resume()
  await expect.poll(() => output, { timeout: 10_000 }).toContain('"dropped":')
  const lines = output.split('\n').flatMap((line) => (line === '' ? [] : JSON.parse(line)))
  const [notice] = lines.filter(({ dropped }) => dropped !== undefined)
  expect(notice).toMatchObject({
    level: 'warn',
    msg: `${notice.dropped} lines of the log could not be written and are lost`,
  })
  expect(lines.filter(({ route }) => route === '/livez').length + notice.dropped).toBe(count)
})

test('an outage is one line a second without a stack, and every failure is counted', async () => {
  const { env } = await onServer()
  const target = new URL(env.DATABASE_URL)
  const proxy = await startProxy(Number(target.port))
  onTestFinished(() => proxy.close())
  target.port = String(proxy.port)
  const program = await serve({ env: { DATABASE_URL: target.href } })
  proxy.close()
  const count = 100
  const failing = Array.from({ length: count }, () => fetch(`${program.url}/api/v2/housing?token=hunter2`))
  for (const { status } of await Promise.all(failing)) expect(status).toBeGreaterThanOrEqual(400)
  const again = Array.from({ length: count }, () => fetch(`${program.url}/api/v2/housing`))
  for (const { status } of await Promise.all(again)) expect(status).toBe(503)
  const failures = () => program.lines().filter(({ level }) => level === 'error')
  const counted = () => failures().reduce((sum, { more = 0 }) => sum + 1 + more, 0)
  await expect.poll(counted, { timeout: 10_000 }).toBe(count)
  for (const { err, stack, request_id, code, msg } of failures()) {
    expect([err, stack, code]).toEqual([undefined, undefined, 'unavailable'])
    expect(msg).toMatch(/^GET \/api\/v2\/housing failed with 503 unavailable: .*(ECONNREFUSED|reached|lost)/)
    const answered = () => program.lines().filter((line) => line.request_id === request_id && line.status === 503)
    await expect.poll(answered).toHaveLength(1)
  }
  const times = failures().map(({ time }) => Date.parse(time))
  for (const [i, time] of times.slice(1).entries()) expect(time - Number(times[i])).toBeGreaterThan(900)
  expect(program.output.stdout).not.toContain('hunter2')
})

test('an unexpected error keeps its stack, and shows no rows', async () => {
  const { env, query } = await onServer()
  const program = await serve({ env })
  await query(`create function public.surprise() returns trigger language plpgsql as $$ begin
      raise exception 'surprise' using errcode = 'ZZ999', detail = 'the row of Main Street', hint = 'Main Street';
    end $$;
    create trigger surprise before insert on housing.housing for each row execute function public.surprise()`)
  const answer = await remote(program.url).post({ ...library, street: 'Main Street' })
  expect(answer.status).toBe(500)
  await program.says(/"level":"error".*\n/)
  const line = program.lines().find(({ level }) => level === 'error')
  expect(line.err).toMatchObject({ message: 'surprise', code: 'ZZ999', stack: expect.stringContaining(' at ') })
  expect(line.request_id).toBe(answer.headers.get('x-request-id'))
  expect(JSON.stringify(line)).not.toContain('Main Street')
})

test('after a stall of the process the log blames the stall, not the database', async () => {
  const { env, connect } = await onServer()
  const program = await serve({ env })
  const client = await connect()
  await client.query('begin; lock table housing.housing')
  const answer = fetch(`${program.url}/api/v2/housing`)
  await expect
    .poll(async () => (await client.query('select from pg_locks where not granted')).rowCount, { timeout: 10_000 })
    .toBe(1)
  program.signal('SIGSTOP')
  await client.query('rollback')
  await sleep(8000) // longer than any deadline of a statement
  program.signal('SIGCONT')
  await answer
  await program.says(/The event loop stood still for \d+\.\d s/)
  for (const { level, msg } of program.lines())
    if (level === 'error') expect(msg).toContain('The event loop stood still for ')
}, 60_000)

test('what Postgres answers after the process stood still is not blamed on that', async () => {
  const { env, query } = await onServer()
  const program = await serve({ env })
  await query('alter table housing.housing rename to homes')
  program.signal('SIGSTOP')
  await sleep(2500)
  program.signal('SIGCONT')
  await program.says(/The event loop stood still for \d+\.\d s/)
  expect((await fetch(`${program.url}/api/v2/housing`)).status).toBe(503)
  await program.says(/failed with 503 schema-mismatch: relation/)
}, 60_000)
