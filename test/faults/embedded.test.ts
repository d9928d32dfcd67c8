import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { describe, expect, onTestFinished, type TestContext, test, vi } from 'vitest'
import { Overloaded } from '../../src/database/errors.ts'
import { openDatabase } from '../../src/database/open.ts'
import { findHousing } from '../../src/housing/gathered.ts'
import { remote } from '../support/http.ts'
import { dataFolder, temporaryFolder } from '../support/places.ts'
import { run, serve, start } from '../support/program.ts'
import { isLong, rounds } from '../support/rounds.ts'

vi.setConfig({ testTimeout: 120_000 * rounds })

/** An open database, and the lines that it reports. */
async function open(folder: string) {
  const lines: string[] = []
  const report = { info: (line: string) => void lines.push(line), warn: (line: string) => void lines.push(line) }
  const database = await openDatabase({ kind: 'embedded', folder }, undefined, report)
  onTestFinished(() => database.close())
  return { ...database, lines }
}

describe('two network namespaces, as of two containers, on one folder', () => {
  const inNamespace: [string, ...string[]] = ['unshare', '--net', process.execPath, 'dist/main.js']

  function needsNamespaces({ skip }: TestContext) {
    try {
      execFileSync('unshare', ['--net', 'true'], { stdio: 'ignore' })
    } catch {
      skip('this user cannot make network namespaces (unshare --net)')
    }
  }

  test('the second process is rejected; after a kill of the first the next one has every row', async (context) => {
    needsNamespaces(context)
    const DATA_DIR = await dataFolder()
    const first = await serve({ env: { DATA_DIR } })
    for (let i = 0; i < 20; i++) expect((await remote(first.url).post()).status).toBe(201)
    const second = await run({ program: inNamespace, env: { DATA_DIR } })
    expect(second).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`${DATA_DIR} is in use by process ${first.pid}: `),
    })
    expect((await remote(first.url).post()).status).toBe(201)
    first.signal('SIGKILL')
    await first.exit

    const third = start({ program: inNamespace, env: { DATA_DIR } })
    await third.says('Ready: ')
    third.signal('SIGTERM')
    expect(await third.exit).toBe(0)
    const fourth = await serve({ env: { DATA_DIR } })
    expect(await remote(fourth.url).total()).toBe(21)
  })

  test('of several that start at once, no two get it', async (context) => {
    needsNamespaces(context)
    context.skip(!isLong, 'it takes long: npm run faults')
    const DATA_DIR = await dataFolder()
    for (let round = 0; round < rounds; round++) {
      const all = Array.from({ length: 3 }, () => start({ program: inNamespace, env: { DATA_DIR } }))
      const outcomes = await Promise.all(
        all.map((one) => Promise.race([one.says('Ready: ').catch(() => ''), one.exit])),
      )
      expect(outcomes.filter((outcome) => outcome === 'Ready: ').length).toBeLessThanOrEqual(1)
      for (const one of all) {
        try {
          one.signal('SIGKILL')
        } catch {} // it was rejected
        await one.exit
      }
    }
    const next = await serve({ env: { DATA_DIR } })
    expect((await remote(next.url).post()).status).toBe(201)
  })
})

describe('the port opens first, the folder after:', () => {
  test('during the first start the process answers, data is a 503, and the log says what takes so long', async () => {
    const DATA_DIR = join(await temporaryFolder(), 'data')
    const program = await serve({ env: { DATA_DIR }, until: 'listening' })
    const answers = await Promise.all(['/livez', '/readyz', '/api/v2/housing'].map((path) => fetch(program.url + path)))
    expect(answers.map(({ status }) => status)).toEqual([200, 503, 503])
    expect(answers[2]?.headers.get('retry-after')).toBe('1')
    await program.says(`Making the database in ${DATA_DIR}; this takes a few seconds.`)
    await program.says('Ready: ')
    expect((await fetch(`${program.url}/readyz`)).status).toBe(200)
  })

  test('a taken port is reported before a folder is made', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    onTestFinished(() => void taken.close())
    const { port } = taken.address() as { port: number }
    const DATA_DIR = join(await temporaryFolder(), 'data')
    const { code, stderr } = await run({ env: { DATA_DIR, PORT: `${port}` } })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining(`port ${port} of 127.0.0.1 is in use`),
    })
    expect(existsSync(DATA_DIR)).toBe(false)
  })

  test('a signal during the first start ends it with exit code 0, and the next start has a database', async () => {
    const DATA_DIR = join(await temporaryFolder(), 'data')
    const first = await serve({ env: { DATA_DIR }, until: 'listening' })
    await first.says('Making the database')
    first.signal('SIGTERM')
    expect(await first.exit).toBe(0)
    const second = await serve({ env: { DATA_DIR } })
    expect((await remote(second.url).post()).status).toBe(201)
    expect(await readdir(DATA_DIR)).not.toContainEqual(expect.stringContaining('aside'))
  })
})

describe('a folder that cannot be made ends the start with a sentence:', () => {
  test.each([
    ['in /proc', '/proc/x', 'no folder can be made there'],
    ['in /sys', '/sys/x/y', ''],
    ['a device', '/dev/null', 'it is a file'],
    ['below a device', '/dev/null/x', 'a part of its path is a file'],
    ['a long name', `/tmp/${'a'.repeat(300)}`, 'its path is too long'],
    ['a long path', `/tmp${'/aaaaaaaaa'.repeat(500)}`, 'its path is too long'],
  ])('%s', async (_name, DATA_DIR, why) => {
    if (process.platform !== 'linux' && /^.(proc|sys)/.test(DATA_DIR)) return
    const { code, stderr } = await run({ env: { DATA_DIR } })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^sample-api: \S+ cannot be written to \(.+\): make it writable, .*\n$/)
    expect(stderr).toContain(why)
  })

  test.each([
    ['nowhere', 'it is a link to nothing'],
    ['link', 'its path has a link that leads back to itself'],
  ])('a link to %s', async (target, why) => {
    const DATA_DIR = join(await temporaryFolder(), 'link')
    await symlink(target, DATA_DIR)
    const { code, stderr } = await run({ env: { DATA_DIR } })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining(`${DATA_DIR} cannot be written to (${why})`),
    })
  })

  test('a blank database that cannot be read is named, and not the folder', async () => {
    const root = fileURLToPath(new URL('../..', import.meta.url))
    const copy = await temporaryFolder()
    for (const name of ['dist', 'db', 'package.json', 'openapi.json'])
      await cp(join(root, name), join(copy, name), { recursive: true })
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
    const blank = join(copy, 'dist/blank-database.tar.gz')
    for (const content of ['', 'no archive']) {
      await writeFile(blank, content)
      const { code, stderr } = await run({ cwd: copy, env: { DATA_DIR: join(copy, 'data') } })
      expect({ code, stderr }).toEqual({
        code: 1,
        stderr: expect.stringMatching(
          /^sample-api: \S+blank-database\.tar\.gz, from which .*: install the program again/,
        ),
      })
    }
    await rm(blank)
    await serve({ cwd: copy, env: { DATA_DIR: join(copy, 'data') } })
  })
})

describe('many statements at once', () => {
  test('let the event loop run: a probe does not wait for all of them', async () => {
    const DATA_DIR = await dataFolder()
    const { url } = await serve({ env: { DATA_DIR } })
    await remote(url).batch(500)
    const ended: string[] = []
    const ask = async (path: string) => {
      expect((await fetch(url + path)).status).toBe(200)
      ended.push(path)
    }
    const search = '/api/v2/housing?postal_code=V8W&sort=city&limit=200'
    const searches = Array.from({ length: 80 }, () => ask(search))
    await Promise.race(searches)
    await Promise.all([ask('/livez'), ...searches])
    expect(ended.indexOf('/livez')).toBeLessThan(60)
  })

  test('wait only so long for the connection, and are answered again afterwards', async () => {
    const { db } = await open(await dataFolder())
    await db.transaction().execute(async () => {
      await expect(sql`select 1`.execute(db)).rejects.toThrow(Overloaded)
    })
    expect((await sql`select 1 as one`.execute(db)).rows).toEqual([{ one: 1 }])
  })

  test('of one long transaction do not make it unready', async () => {
    const { db, findTrouble } = await open(await dataFolder())
    const asked = db.transaction().execute(async (tx) => {
      await sql`select 1`.execute(tx)
      const ready = findTrouble()
      const isAnswered = ready.then(() => true)
      while (!(await Promise.race([isAnswered, sql`select 1`.execute(tx).then(() => false)])));
      return ready
    })
    expect(await asked).toEqual({})
  })
})

test('a COPY from the client is rejected, alone or in a transaction, and the session goes on', async () => {
  const { db, withClient } = await open(await dataFolder())
  const copy = 'copy housing.housing_types from stdin'
  const rejected = { code: '57014', message: expect.stringContaining('The embedded database cannot read rows') }
  await withClient(async (client) => {
    await expect(client.query(copy)).rejects.toMatchObject(rejected)
    await expect(client.query({ text: copy, queryMode: 'extended' } as never)).rejects.toMatchObject(rejected)
    await expect(client.query(`select 1; ${copy}; select 2`)).rejects.toMatchObject(rejected)
  })
  const inTransaction = db.transaction().execute(async (tx) => {
    await sql`delete from housing.housing_types`.execute(tx)
    await sql.raw(copy).execute(tx)
  })
  await expect(inTransaction).rejects.toMatchObject(rejected)
  expect((await sql`select code from housing.housing_types`.execute(db)).rows).toHaveLength(4)
})

test('questions of one turn share a statement, prepared once, and again after its columns changed', async () => {
  const { db } = await open(await dataFolder())
  const find = () => Promise.all([findHousing(db, 1), findHousing(db, 2)])
  const prepared = async () => (await sql`select name, prepare_time from pg_prepared_statements`.execute(db)).rows
  expect(await find()).toEqual([undefined, undefined])
  const before = await prepared()
  expect(before).toMatchObject([{ name: 'find_several_housing' }])
  expect(await find()).toEqual([undefined, undefined])
  expect(await prepared()).toEqual(before)
  await sql`alter table housing.housing alter column street type varchar(60)`.execute(db)
  expect(await find()).toEqual([undefined, undefined])
  const after = await prepared()
  expect(after).toMatchObject([{ name: 'find_several_housing' }])
  expect(after).not.toEqual(before)
})

test('Postgres is started again after it ended itself, as soon as it can, with every committed row', async () => {
  const folder = await dataFolder()
  const { db, lines, listen, findTrouble } = await open(folder)
  const notices = listen('housing_types', () => {})
  await expect.poll(() => notices.count).toBeDefined()
  await sql`delete from housing.housing_types where code = 'ASL'`.execute(db)
  const obstacle = join(folder, 'postgres/pg_logical/replorigin_checkpoint.tmp')
  await mkdir(obstacle)
  await sql`delete from housing.housing_types where code = 'COP'`.execute(db)
  const checkpoint = sql`checkpoint`.execute(db)
  await expect(checkpoint).rejects.toMatchObject({
    message: expect.stringContaining('replorigin'),
    cause: { severity: 'PANIC' },
  })
  await expect(sql`select 1`.execute(db)).rejects.toMatchObject({ message: expect.stringContaining('replorigin') })
  expect((await findTrouble()).database).toContain('replorigin')
  await rm(obstacle, { recursive: true })
  const codes = async () => (await sql<{ code: string }>`select code from housing.housing_types`.execute(db)).rows
  await expect.poll(() => codes().catch(() => []), { timeout: 20_000 }).toEqual([{ code: 'SFD' }, { code: 'MFD' }])
  expect((await findTrouble()).database).toBeUndefined()
  expect(lines).toEqual([
    expect.stringMatching(/^Postgres ended itself and is started again: could not .*replorigin/),
    'Postgres is running again.',
  ])
  await expect.poll(() => notices.count).toBeDefined()
  const before = notices.count
  await sql`notify housing_types`.execute(db)
  await expect.poll(() => notices.count).toBeGreaterThan(before ?? Number.NaN)
})
