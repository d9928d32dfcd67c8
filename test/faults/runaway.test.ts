import { cp, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Engine } from '../../src/database/embedded-engine.ts'
import { EmbeddedStream } from '../../src/database/embedded-stream.ts'
import { NotDone, QueryTimeout } from '../../src/database/errors.ts'
import { openDatabase } from '../../src/database/open.ts'
import { sessionStatements } from '../../src/database/session.ts'
import { library, remote } from '../support/http.ts'
import { dataFolder, temporaryFolder } from '../support/places.ts'
import { serve } from '../support/program.ts'
import { isLong } from '../support/rounds.ts'

vi.setConfig({ testTimeout: isLong ? 1_800_000 : 180_000 })

const endless = `
  create function housing.run_away() returns trigger language plpgsql as $$ begin loop end loop; end $$;
  create trigger run_away before insert on housing.housing for each row
    when (new.address = 'runaway') execute function housing.run_away();
  create constraint trigger run_away_later after insert on housing.housing deferrable initially deferred for each row
    when (new.address = 'later') execute function housing.run_away();
  create or replace function housing.number_changes(at_most integer default 50000) returns void language plpgsql as $$
    begin loop end loop; end $$`
const runaway = { ...library, address: 'runaway' }
const late = { code: 'timeout', detail: 'The database took too long; nothing was changed.' }

/** An embedded database in which inserting some houses, and reading the changes, never ends. */
async function withRunaways(): Promise<string> {
  const folder = await dataFolder()
  const database = await openDatabase({ kind: 'embedded', folder })
  await database.withClient((client) => client.query(endless))
  await database.close()
  return folder
}

/** A program over it, and a function that sends the house that never arrives; its statement runs once that resolves. */
async function programWithRunaways() {
  const program = await serve({ env: { DATA_DIR: await withRunaways() } })
  const api = remote(program.url)
  const runAway = async () => {
    const answer = api.post(runaway)
    answer.catch(() => {}) // the program may exit first
    while ((await api.ready()) === 200); // the probe waits behind the statement
    return { answer }
  }
  return { program, api, runAway }
}

describe('a statement that never ends', () => {
  test('is ended at its deadline: probes answer meanwhile, others wait, and no acknowledged row is lost', async () => {
    const { program, api, runAway } = await programWithRunaways()
    for (let i = 0; i < 5; i++) expect((await api.post()).status).toBe(201)
    const { answer } = await runAway()
    let isOver = false
    const ended = answer.finally(() => {
      isOver = true
    })
    const others = [api.post(), api.list(), api.batch(2)]
    let alive = 0
    for (; !isOver; alive++) expect(await api.alive()).toBe(200)
    expect(alive).toBeGreaterThan(5)
    expect(await ended).toMatchObject({ status: 504, body: late })
    expect((await Promise.all(others)).map(({ status }) => status)).toEqual([201, 200, 200])
    expect(await api.total()).toBe(8)
    expect(program.output.stdout).toMatch(/Postgres was ended and is started again: .*4\.5 s\./)
    await vi.waitFor(async () => expect(await api.ready()).toBe(200), 20_000)
  })

  test.each([
    [
      'in a batch: nothing of it is stored',
      504,
      late,
      (api: ReturnType<typeof remote>) =>
        api.send('POST', '/api/v2/housing/batch', {
          operations: [library, runaway, library].map((house) => ({ op: 'create', house })),
        }),
    ],
    ['that reads', 504, { code: 'timeout' }, (api: ReturnType<typeof remote>) => api.list('/changes')],
    [
      'while it commits: what became of it is unknown',
      503,
      { code: 'outcome-unknown' },
      (api: ReturnType<typeof remote>) => api.post({ ...library, address: 'later' }),
    ],
  ])('%s', async (_where, status, body, send) => {
    const { api } = await programWithRunaways()
    expect((await api.post()).status).toBe(201)
    expect(await send(api)).toMatchObject({ status, body })
    expect(await api.total()).toBe(1)
    expect((await api.post()).status).toBe(201)
  })

  test('is answered at its deadline after a SIGTERM too; then the program exits with 0', async () => {
    const { program, runAway } = await programWithRunaways()
    const { answer } = await runAway()
    program.signal('SIGTERM')
    expect(await answer).toMatchObject({ status: 504, body: late })
    expect(await program.exit).toBe(0)
  })

  test('does not delay the exit at a second signal', async () => {
    const { program, api, runAway } = await programWithRunaways()
    await runAway()
    const next = [api.post(runaway), api.post(runaway)].map((answer) => answer.catch(() => 'cut'))
    expect(await api.alive()).toBe(200)
    program.signal('SIGTERM')
    await program.says('SIGTERM: closing')
    await new Promise((resolve) => setTimeout(resolve, 1100)) // an earlier one counts as the same
    program.signal('SIGTERM')
    expect(await program.exit).toBe(1)
    expect(await Promise.all(next)).toContain('cut')
  })

  test('in a migration has all the time, and is ended by a SIGTERM', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    const [copy, DATA_DIR] = [await temporaryFolder(), await dataFolder()]
    for (const name of ['dist', 'db', 'package.json', 'openapi.json'])
      await cp(join(root, name), join(copy, name), { recursive: true })
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
    await writeFile(join(copy, 'db/migrations/V99.0.0__endless.sql'), 'do $$ begin loop end loop; end $$')
    const program = await serve({ cwd: copy, env: { DATA_DIR }, until: 'listening' })
    const api = remote(program.url)
    await vi.waitFor(async () => expect((await api.get('/readyz')).body.checks.schema.found).not.toBeNull(), 60_000)
    expect(await api.alive()).toBe(200)
    program.signal('SIGTERM')
    expect(await program.exit).toBe(0)
    expect(program.output.stderr).toBe('')
    const next = await serve({ env: { DATA_DIR } })
    expect((await remote(next.url).post()).status).toBe(201)
  })

  test('takes its transaction with it, and the next session has its settings and listens again', async () => {
    const database = await openDatabase({ kind: 'embedded', folder: await withRunaways() })
    onTestFinished(() => database.close())
    const { db, listen } = database
    const notices = listen('housing_types', () => {})
    await expect.poll(() => notices.count).toBeDefined()
    const transaction = db.transaction().execute(async (tx) => {
      await sql`delete from housing.housing_types`.execute(tx)
      await sql`select housing.number_changes(${1})`.execute(tx)
    })
    await expect(transaction).rejects.toMatchObject({ constructor: NotDone, timedOut: true })
    expect((await sql`select code from housing.housing_types`.execute(db)).rows).toHaveLength(4)
    expect((await sql`show search_path`.execute(db)).rows).toEqual([{ search_path: 'pg_catalog' }])
    await expect.poll(() => notices.count).toBeDefined()
    const before = notices.count
    await sql`notify housing_types`.execute(db)
    await expect.poll(() => notices.count).toBeGreaterThan(before ?? Number.NaN)
  })
})

test('whatever it was writing, Postgres that is ended has every acknowledged row again, and no part of another', async () => {
  const report = { info() {}, warn() {} }
  const engine = new Engine(await dataFolder(), sessionStatements, report)
  onTestFinished(() => engine.close())
  await engine.open()
  const connect = async () => {
    engine.limit = Number.POSITIVE_INFINITY
    const stream = () => new EmbeddedStream(engine, Promise.resolve())
    const client = new pg.Client({ stream, user: 'postgres', database: 'postgres' })
    client.on('error', () => {}) // its query rejects
    await client.connect()
    return client
  }
  const write = 'insert into public.written select $1::int, $2::int, $3::text from generate_series(1, $2::int)'
  const first = await connect()
  await first.query('create table public.written (part integer, size integer, content text)')
  await first.end()
  const acknowledged = new Map<number, number>()
  const unknown = new Set<number>()
  let part = 0

  /** Writes more and more until it takes too long; in every other round each write is a transaction of several statements. */
  const writeUntilEnded = async (client: pg.Client, inTransaction: boolean) => {
    for (let size = 100; ; size *= 2) {
      part += 1
      try {
        if (inTransaction) await client.query('begin')
        await client.query(write, [part, size, 'x'.repeat(200)])
        if (inTransaction) await client.query('update public.written set content = $2 where part = $1', [part, 'y'])
        if (inTransaction) await client.query('commit')
        acknowledged.set(part, size)
      } catch (error) {
        if (error instanceof QueryTimeout) unknown.add(part)
        else expect(error).toBeInstanceOf(NotDone)
        return
      }
    }
  }
  for (let round = 0; round < (isLong ? 60 : 5); round++) {
    const client = await connect()
    engine.limit = 20 + Math.random() * 100
    await writeUntilEnded(client, round % 2 === 1)
    const next = await connect()
    const { rows } = await next.query('select part, size, count(*)::int from public.written group by part, size')
    await next.end()
    for (const { part, size, count } of rows) {
      expect(count, `part ${part}`).toBe(size)
      expect(acknowledged.has(part) || unknown.has(part), `part ${part} was answered as not done`).toBe(true)
      acknowledged.set(part, size) // now it must stay
    }
    expect(rows.length).toBe(acknowledged.size)
  }
  expect(acknowledged.size).toBeGreaterThan(5)
})
