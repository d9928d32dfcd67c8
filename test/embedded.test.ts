import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest'
import { openDatabase } from '../src/database/open.ts'
import { remote } from './support/http.ts'
import { dataFolder, temporaryFolder } from './support/places.ts'
import { run, serve, start } from './support/program.ts'

/** A copy with only the files that are checked before Postgres starts. */
async function skeleton(): Promise<string> {
  const folder = await temporaryFolder()
  const isBulk = (path: string) => /(base|pg_wal)\/.|\/global\/\d/.test(path)
  await cp(inject('template'), folder, { recursive: true, filter: (path) => !isBulk(path) })
  await writeFile(join(folder, 'postgres/pg_wal/000000010000000000000001'), '')
  return folder
}

/** Every file with a digest of its content. */
async function content(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const digest = async (file: string) =>
    `${file} ${createHash('sha1')
      .update(await readFile(file))
      .digest('hex')}`
  return Promise.all(files.sort().map(digest))
}

vi.setConfig({ testTimeout: 120_000 })

describe('a folder that another process uses', () => {
  test('is rejected at once with the pid of that process, and is free once that process is killed', async () => {
    const DATA_DIR = await dataFolder()
    const first = await serve({ env: { DATA_DIR } })
    const before = await content(DATA_DIR)
    const second = await run({ env: { DATA_DIR } })
    expect(second).toMatchObject({ code: 1, stdout: '' })
    expect(second.stderr).toBe(
      `sample-api: ${DATA_DIR} is in use by process ${first.pid}: only one process can use the embedded database. Stop that process, set another DATA_DIR, or use a Postgres server (POSTGRES_SERVER) for both.\n`,
    )
    expect(await content(DATA_DIR)).toEqual(before)
    expect((await fetch(`${first.url}/readyz`)).status).toBe(200)

    first.signal('SIGKILL')
    await first.exit
    const third = await serve({ env: { DATA_DIR } })
    third.signal('SIGTERM')
    expect(await third.exit).toBe(0)
    expect(existsSync(join(DATA_DIR, 'holder.pid'))).toBe(false)
  })

  test('is recognised under another path too', async () => {
    const folder = await dataFolder()
    const holder = await openDatabase({ kind: 'embedded', folder })
    onTestFinished(() => holder.close())
    await expect(openDatabase({ kind: 'embedded', folder: `${folder}/../data/.` })).rejects.toThrow(
      `in use by process ${process.pid}`,
    )
  })
})

test('acknowledged writes survive a kill in the middle of other writes', async () => {
  const DATA_DIR = await dataFolder()
  const first = await serve({ env: { DATA_DIR } })
  const acknowledged: number[] = []
  const write = async () => {
    for (;;) {
      const answer = await remote(first.url)
        .post()
        .catch(() => undefined)
      if (answer?.status !== 201) return
      acknowledged.push(answer.body.id)
      if (acknowledged.length === 100) first.signal('SIGKILL')
    }
  }
  await Promise.all([write(), write(), write(), write()])
  expect(await first.exit).toBe('SIGKILL')
  expect(acknowledged.length).toBeGreaterThanOrEqual(100)

  const second = await serve({ env: { DATA_DIR } })
  const answer = await fetch(`${second.url}/api/v1/housing/V8W%203H2?limit=1000`)
  const ids = ((await answer.json()) as { housing_id: number }[]).map(({ housing_id }) => housing_id)
  expect(ids).toEqual(expect.arrayContaining(acknowledged))
  expect(new Set(ids).size).toBe(ids.length)
  expect((await remote(second.url).post()).status).toBe(201)
})

test('after a kill during the first start the next one starts over, also at the root of a volume', async () => {
  const folder = await temporaryFolder()
  const DATA_DIR = join(folder, 'data')
  await mkdir(join(DATA_DIR, 'lost+found'), { recursive: true })
  const first = start({ env: { DATA_DIR } })
  while (!existsSync(join(DATA_DIR, 'postgres', 'PG_VERSION'))) await new Promise((turn) => setTimeout(turn, 5))
  first.signal('SIGKILL')
  await first.exit
  const second = await serve({ env: { DATA_DIR } })
  expect((await remote(second.url).post()).status).toBe(201)
})

describe('a first start', () => {
  const unready = (folder: string) =>
    writeFile(join(folder, 'sample-api.json'), '{"format":1,"postgres":18,"ready":false}')
  const asides = async (folder: string) => (await readdir(folder)).filter((name) => name.startsWith('postgres.aside-'))

  test('moves a database aside that the marker calls incomplete, says so, and the database can be used again', async () => {
    const DATA_DIR = await dataFolder()
    const first = await serve({ env: { DATA_DIR } })
    expect((await remote(first.url).post()).status).toBe(201)
    first.signal('SIGTERM')
    await first.exit
    await unready(DATA_DIR)

    const second = await serve({ env: { DATA_DIR } })
    const [aside = ''] = await asides(DATA_DIR)
    expect(second.output.stdout).toMatch(`It is now in ${join(DATA_DIR, aside)}, and a new one is made.`)
    expect(await (await fetch(`${second.url}/api/v2/housing`)).json()).toMatchObject({ items: [] })
    second.signal('SIGTERM')
    await second.exit

    await rm(join(DATA_DIR, 'postgres'), { recursive: true })
    await rename(join(DATA_DIR, aside), join(DATA_DIR, 'postgres'))
    await writeFile(join(DATA_DIR, 'sample-api.json'), '{"format":1,"postgres":18,"ready":true}')
    const third = await serve({ env: { DATA_DIR } })
    expect(await (await fetch(`${third.url}/api/v2/housing`)).json()).toMatchObject({ items: [{ id: 1 }] })
  })

  test('removes what an interrupted one left, which contains no data', async () => {
    const folder = await skeleton()
    await unready(folder)
    await writeFile(join(folder, 'postgres/unfinished'), '')
    const database = await openDatabase({ kind: 'embedded', folder })
    await database.close()
    expect(await asides(folder)).toEqual([])
    expect(existsSync(join(folder, 'postgres/unfinished'))).toBe(false)
  })
})

test('users outside its group have no access to the folder, whatever access it had', async () => {
  const folder = await dataFolder()
  const mode = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
  await chmod(folder, 0o777)
  await chmod(join(folder, 'postgres'), 0o777)
  const made = join(await mkdtemp(join(tmpdir(), 'sample-api-')), 'data')
  onTestFinished(() => rm(dirname(made), { recursive: true }))
  for (const each of [folder, made]) {
    const database = await openDatabase({ kind: 'embedded', folder: each })
    await database.close()
  }
  expect([await mode(folder), await mode(join(folder, 'postgres'))]).toEqual(['770', '770'])
  expect([await mode(made), await mode(join(made, 'postgres'))]).toEqual(['700', expect.stringMatching(/0$/)])
})

describe('a folder that cannot be used is rejected with a clear message and left unchanged:', () => {
  const postgres = (path: string) => (folder: string) => join(folder, 'postgres', path)
  const remove = (path: string) => (folder: string) => rm(postgres(path)(folder), { recursive: true })
  const marker = (text: string) => (folder: string) => writeFile(join(folder, 'sample-api.json'), text)
  const allWal = async (folder: string) => {
    for (const name of await readdir(postgres('pg_wal')(folder)))
      if (/^[0-9A-F]{24}$/.test(name)) await rm(join(postgres('pg_wal')(folder), name))
  }
  const isDamaged = 'restore it from a backup, or set DATA_DIR to another folder.'

  test.each<[string, (folder: string) => Promise<unknown>, string]>([
    ['PG_VERSION is missing', remove('PG_VERSION'), `is damaged (PG_VERSION is missing): ${isDamaged}`],
    ['base is missing', remove('base'), `is damaged (base is missing): ${isDamaged}`],
    ['everything is missing', remove(''), `is damaged (PG_VERSION is missing): ${isDamaged}`],
    [
      'pg_control is truncated',
      (folder) => truncate(postgres('global/pg_control')(folder), 100),
      'is damaged (global/pg_control is broken)',
    ],
    [
      'pg_control is empty',
      (folder) => truncate(postgres('global/pg_control')(folder)),
      'is damaged (global/pg_control is broken)',
    ],
    ['the log is gone', allWal, 'is damaged (pg_wal is empty)'],
    [
      'the format is of a later release',
      marker('{"format":2,"postgres":18,"ready":true}'),
      'has a format that this release does not read: run the release that created the folder.',
    ],
    [
      'Postgres is of another version',
      marker('{"format":1,"postgres":19,"ready":true}'),
      'has a format that this release does not read: run the release that created the folder.',
    ],
    [
      'the marker is cut short',
      marker('{"format":'),
      'has a format that this release does not read: run the release that created the folder.',
    ],
    [
      'the marker is gone',
      (folder) => rm(join(folder, 'sample-api.json')),
      'contains other files (postgres): set DATA_DIR to a new or an empty folder.',
    ],
  ])('%s', async (_what, damage, message) => {
    const folder = await skeleton()
    await damage(folder)
    const before = await content(folder)
    await expect(openDatabase({ kind: 'embedded', folder })).rejects.toThrow(message)
    expect(await content(folder)).toEqual(before)
  })

  const garbage =
    (path: string, from = 0) =>
    async (folder: string) => {
      const file = postgres(path)(folder)
      await writeFile(file, (await readFile(file)).fill(0xa5, from))
    }
  test.each<[string, (folder: string) => Promise<unknown>, string]>([
    ['pg_control', garbage('global/pg_control', 32), 'incorrect checksum in control file'],
    ['the log', garbage('pg_wal/000000010000000000000001'), 'could not locate a valid checkpoint record at '],
    ['the list of databases', remove('global/1262'), 'could not open file "global/1262": No such file or directory'],
    ['the settings', garbage('postgresql.conf'), 'configuration file "/pglite/data/postgresql.conf" contains errors'],
  ])('Postgres has the last word: %s', async (_what, damage, words) => {
    const folder = await dataFolder()
    await damage(folder)
    await expect(openDatabase({ kind: 'embedded', folder })).rejects.toThrow(`${folder} is damaged (${words}`)
  })

  test('it contains garbage that only Postgres can detect', async () => {
    const folder = await dataFolder()
    await garbage('global/pg_control', 32)(folder)
    const before = await content(folder)
    await expect(openDatabase({ kind: 'embedded', folder })).rejects.toThrow(`${folder} is damaged (`)
    expect(await content(folder)).toEqual(before)
  })

  test('it belongs to something else', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sample-api-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'thesis.txt'), 'years of work')
    await expect(openDatabase({ kind: 'embedded', folder })).rejects.toThrow(
      `${folder} contains other files (thesis.txt): set DATA_DIR to a new or an empty folder.`,
    )
    expect(await readdir(folder)).toEqual(['thesis.txt'])
  })

  test('it is the folder of a Postgres server', async () => {
    const folder = join(await skeleton(), 'postgres')
    await expect(openDatabase({ kind: 'embedded', folder })).rejects.toThrow('contains other files')
  })

  test.each(['', '/below'])('it is a file%s', async (below) => {
    const file = join(await skeleton(), 'sample-api.json')
    const refused = await run({ env: { DATA_DIR: `${file}${below}` } })
    expect(refused).toMatchObject({ code: 1, stdout: '' })
    expect(refused.stderr).toMatch(
      /^sample-api: \S+ cannot be written to \((it is a file|a part of its path is a file)\): make it writable, .*\n$/,
    )
  })
})
