import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { BackupRefused, type Contents, Lines, readBackup } from '../src/backup/format.ts'
import { ownRegistry, rolesSql } from './support/api.ts'
import { library, remote } from './support/http.ts'
import { embedded, insert, onServer, temporaryFolder } from './support/places.ts'
import { run, serve } from './support/program.ts'
import { isLong } from './support/rounds.ts'

vi.setConfig({ testTimeout: 240_000 })

type Env = Record<string, string>

/** An embedded database that does not exist yet. */
const newFolder = async () => ({ env: { DATA_DIR: join(await temporaryFolder(), 'data') } })

const places = { server: onServer, embedded: newFolder }

async function succeed(env: Env, ...command: string[]) {
  const { code, stderr } = await run({ command, env })
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return stderr
}

async function backedUp(env: Env): Promise<string> {
  const file = join(await temporaryFolder(), 'homes.backup')
  await succeed(env, 'backup', file)
  return file
}

/** A new place with what is in the file. */
async function restored(where: keyof typeof places, file: string) {
  const place = await places[where]()
  await succeed(place.env, 'restore', file)
  return place
}

/** What must be the same in a copy: the feed goes on from higher positions there. */
async function dataIn(file: string) {
  const { tables, sequences } = await readBackup(file)
  const { feed_position_seq, ...others } = sequences
  return { tables: tables.filter(({ name }) => name !== 'feed_state'), sequences: others }
}

/** Houses that differ in everything that could get lost on the way. */
const odd = [
  { address: '1\\n\\.', city: 'Que\u0301bec', street: '"quoted", \'it\'\u2028\u2029' },
  { address: '\ufeff2', city: 'Québec', street: '👨‍👩‍👧 Street' },
  { address: 'null', city: '{"a":[1]}', street: '\\N' },
]

/** Fills a registry over HTTP: houses with a history, deleted and restored ones, types. */
async function fill(url: string): Promise<void> {
  const { send, post, batch, patch } = remote(url)
  await batch(20)
  for (const house of odd) expect((await post({ ...library, ...house })).status).toBe(201)
  for (const id of [1, 2, 3, 1]) expect((await patch({ address: `${id} and ${Math.random()}` }, id)).status).toBe(200)
  const any = { 'if-match': '*' }
  for (const id of [4, 5]) expect((await send('DELETE', `/api/v2/housing/${id}`, undefined, any)).status).toBe(204)
  expect((await send('POST', '/api/v2/housing/5/versions/1/restore')).status).toBe(200)
  await send('PUT', '/api/v2/housing-types/TNY', { description: 'Tiny House' })
  await send('DELETE', '/api/v2/housing-types/ASL', undefined, any)
  await post({ ...library, housing_type: 'TNY' })
}

/** Everything that an API tells of its houses, with the ETags. `at` is an instant in their history. */
async function toldBy(url: string, at: string, authorization?: string) {
  const tell = async (path: string) => {
    const answer = await fetch(`${url}/api/v2${path}`, { headers: { ...(authorization && { authorization }) } })
    const body = (await answer.text()).replaceAll(/"(instance|request_id)":"[^"]*"/g, '')
    return { path, status: answer.status, etag: answer.headers.get('etag'), body }
  }
  const paths = [
    '/housing?limit=100&count=exact',
    '/housing?q=quebec',
    '/housing-types',
    '/housing/export?format=ndjson',
  ]
  for (let id = 1; id <= 30; id++)
    paths.push(`/housing/${id}`, `/housing/${id}?as_of=${at}`, `/housing/${id}/versions?limit=100`)
  for (const after of [0, 7, 20]) paths.push(`/housing/changes?after=${after}&limit=1000`)
  return Promise.all(paths.map(tell))
}

/** The versions after a position of the feed, and the last position. */
async function follow(url: string, after: number): Promise<{ got: string[]; next: number }> {
  const { status, body } = await remote(url).get(`/api/v2/housing/changes?after=${after}&limit=1000`)
  expect(status, body.detail).toBe(200)
  return {
    got: body.items.map(({ id, version }: { id: number; version: number }) => `${id}-${version}`),
    next: body.next,
  }
}

test('a registry moves between servers and embedded databases, and clients notice nothing', async () => {
  let { env }: { env: Env } = await onServer()
  const api = await serve({ env })
  await fill(api.url)
  const at = new Date().toISOString()
  await remote(api.url).patch({ city: 'Oak Bay' }, 6)
  let { next: position } = await follow(api.url, 0)
  let told = await toldBy(api.url, at)
  api.signal('SIGTERM')
  await api.exit
  const key = await run({ command: ['keys', 'create', '--name', 'Front desk', '--scope', 'housing:admin'], env })
  const authorization = `Bearer ${key.stdout.trim()}`
  let houses = told.filter(({ path, status }) => /^\/housing\/\d+$/.test(path) && status === 200).length
  expect(houses).toBe(23)

  for (const where of ['embedded', 'embedded', 'server'] as const) {
    const file = await backedUp(env)
    const place = await restored(where, file)
    env = place.env
    expect(await dataIn(await backedUp(env))).toEqual(await dataIn(file))
    const there = await serve({ env: { ...env, AUTH: 'keys', AUTH_ANONYMOUS: 'housing:admin', RATE_LIMIT: 'off' } })
    expect(await toldBy(there.url, at, authorization)).toEqual(told)

    // Writes go on where they were: ids, versions and the feed.
    const { post, patch, list } = remote(there.url)
    const { body } = await post()
    expect((await patch({ address: '7 A' }, body.id)).headers.get('etag')).toBe(`"${body.id}-2"`)
    houses += 1
    expect((await list('?count=exact&limit=1')).body.total).toBe(houses)
    const { got, next } = await follow(there.url, position)
    expect(got).toEqual([`${body.id}-1`, `${body.id}-2`])
    expect(next).toBeGreaterThan(position + 1)
    expect((await remote(there.url).get(`/api/v2/housing/changes?after=${position + 1}`)).body.code).toBe(
      'position-gone',
    )
    position = next
    told = await toldBy(there.url, at, authorization)
    there.signal('SIGTERM')
    await there.exit
  }
})

test('a backup that is made while clients write is of one instant, and has all that was acknowledged before', async () => {
  const { env } = await onServer()
  const api = await serve({ env })
  const { send, patch, batch } = remote(api.url)
  await batch(10)
  let isLoaded = true
  /** What was acknowledged: pairs of houses that were added together, by their city, and versions of house 1 and so on. */
  const pairs: string[] = []
  const versions = new Map<number, number>()
  const pairing = async (writer: number) => {
    for (let n = 0; isLoaded; n++) {
      const operation = { op: 'create', house: { ...library, city: `Pair ${writer}-${n}` } }
      const { status } = await send('POST', '/api/v2/housing/batch', { operations: [operation, operation] })
      expect(status).toBe(200)
      pairs.push(`Pair ${writer}-${n}`)
    }
  }
  const patching = async (id: number) => {
    for (let n = 0; isLoaded; n++) {
      const { body } = await patch({ address: `${n}` }, id)
      versions.set(id, body.version)
    }
  }
  const load = [...[1, 2, 3].map(pairing), ...[1, 2, 3].map(patching)]
  await vi.waitFor(() => expect(pairs.length).toBeGreaterThan(100), { timeout: 60_000 })
  const before = { pairs: [...pairs], versions: new Map(versions) }
  const file = await backedUp(env)
  const during = pairs.length - before.pairs.length
  isLoaded = false
  await Promise.all(load)
  expect(during).toBeGreaterThan(0)

  for (const where of ['server', 'embedded'] as const) {
    const place = await restored(where, file)
    expect(await dataIn(await backedUp(place.env))).toEqual(await dataIn(file))
  }
  const houses = rowsOf(file, 'housing')
  const cities = groupsOf(houses, 'city')
  for (const pair of before.pairs) expect(cities.get(pair), pair).toHaveLength(2)
  for (const [city, pair] of cities) if (city !== library.city) expect(pair, city).toHaveLength(2)
  const histories = groupsOf(rowsOf(file, 'changes'), 'housing_id')
  for (const { id, version } of houses) {
    const history = histories.get(`${id}`)?.map(({ version }) => version) ?? []
    expect(history).toEqual(history.map((_, i) => i + 1))
    expect(history.at(-1)).toBe(version)
    expect(version).toBeGreaterThanOrEqual(before.versions.get(Number(id)) ?? 1)
  }
})

type Row = Record<string, unknown>

const linesOf = (file: string) => gunzipSync(readFileSync(file)).toString().trimEnd().split('\n')

/** The rows of a table in a backup, as docs/backup.md describes it. */
function rowsOf(file: string, table: string): Row[] {
  const lines = linesOf(file)
  const begin = lines.findIndex((line) => line.startsWith(`["table",{"name":"${table}"`)) + 1
  return lines
    .slice(
      begin,
      lines.findIndex((line, i) => i >= begin && line.startsWith('["rows"')),
    )
    .map((line) => JSON.parse(line))
}

function groupsOf(rows: Row[], column: string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>()
  for (const row of rows) groups.set(`${row[column]}`, [...(groups.get(`${row[column]}`) ?? []), row])
  return groups
}

/** A backup of a small registry, and its bytes. */
async function smallBackup() {
  const { env, query } = await onServer()
  await succeed(env, 'migrate')
  await query(insert(50))
  const file = await backedUp(env)
  return { env, query, file, bytes: readFileSync(file) }
}

describe('a file that is not as it was written', async () => {
  /** Writes these bytes to a file, and expects that it is refused, and that nothing is made of it. */
  const expectRefused = async (bytes: Buffer | string, why: RegExp) => {
    const file = join(await temporaryFolder(), 'bad.backup')
    writeFileSync(file, bytes)
    const { env } = await newFolder()
    const { code, stderr } = await run({ command: ['restore', file], env })
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(why) })
    expect(stderr).toContain(`sample-api: ${file} `)
    expect(existsSync(env.DATA_DIR)).toBe(false)
  }
  const edited = (bytes: Buffer, edit: (text: string) => string) => gzipSync(edit(gunzipSync(bytes).toString()))

  test('is refused, and the place is named', async () => {
    const { bytes } = await smallBackup()
    const lines = gunzipSync(bytes).toString().split('\n')
    const without = (start: string) =>
      edited(bytes, (text) =>
        text
          .split('\n')
          .filter((line) => !line.startsWith(start))
          .join('\n'),
      )
    await expectRefused('', /is cut off at its beginning/)
    await expectRefused('id,address\n', /is not a backup/)
    await expectRefused(gzipSync('id,address\n'), /is not a backup/)
    await expectRefused(bytes.subarray(0, bytes.length - 1), /is damaged at its end/)
    await expectRefused(bytes.subarray(0, bytes.length / 2), /is cut off in the rows of changes, after \d+/)
    for (const more of [Buffer.from('x'), Buffer.from('more'), gzipSync('x')])
      await expectRefused(
        Buffer.concat([bytes, more]),
        /goes on after its end|is damaged at its end|is damaged, or is not/,
      )
    await expectRefused(Buffer.concat([bytes, Buffer.alloc(5)]), /has 5 bytes after its end/)
    await expectRefused(
      edited(bytes, (text) => text.replace('Main Street', 'Pain Street')),
      /the rows of changes are not those that were written/,
    )
    await expectRefused(
      edited(bytes, (text) => text.replace('"housing_id_seq":"50"', '"housing_id_seq":"49"')),
      /its checksum is not that/,
    )
    await expectRefused(
      edited(bytes, (text) => text.replace('"Postgres', '"Pastgres').replace('"release":"', '"release":"9')),
      /its checksum is not that/,
    )
    await expectRefused(without('{"id":7,'), /of the 50 rows of housing it has 49/)
    await expectRefused(without('["end"'), /is cut off after the rows of housing/)
    await expectRefused(without('["rows"'), /it has a line that does not belong there/)
    await expectRefused(gzipSync(`${lines.slice(0, 10).join('\n')}\n`), /is cut off in the rows of changes, after/)
    await expectRefused(
      edited(bytes, (text) => text.replace('"format":1', '"format":2')),
      /has format 2, .* release 2\.0\.0 or later/,
    )
    await expectRefused(
      rewritten(await parsed(bytes), (contents) => {
        contents.header.schema = '99.1.0'
        contents.header.release = '3.1.0'
      }),
      /has the schema 99\.1\.0, newer than this release, which ends at [\d.]+: restore it with release 3\.1\.0 or later/,
    )
  })

  test('is never restored otherwise than it was, whichever byte is lost, doubled or changed', async () => {
    const { file, bytes } = await smallBackup()
    const contents = await readBackup(file)
    const bad = join(await temporaryFolder(), 'bad.backup')
    /** Refused; or read as it was, where the byte means nothing, such as the time in gzip's header. */
    const expectUnharmed = async (harmed: Buffer, what: string) => {
      writeFileSync(bad, harmed)
      const read = await readBackup(bad).catch((error) => {
        expect(error, what).toBeInstanceOf(BackupRefused)
        return undefined
      })
      if (read) expect(read, what).toEqual(contents)
      return read === undefined
    }
    let refused = 0
    let tried = 0
    for (let at = 0; at < bytes.length; at += isLong ? 1 : 37) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] as number) ^ (1 << (at % 8))
      const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)]
      for (const [what, harmed] of [
        ['changed', flipped],
        ['lost', Buffer.concat([head, tail.subarray(1)])],
        ['doubled', Buffer.concat([head, tail.subarray(0, 1), tail])],
        ['cut', head],
      ] as const) {
        tried += 1
        refused += Number(await expectUnharmed(harmed, `byte ${at} ${what}`))
      }
    }
    expect(refused).toBeGreaterThan(tried - 12) // the others are in gzip's header
  })
})

/** A backup as rows and contents, to change it. */
async function parsed(bytes: Buffer) {
  const file = join(await temporaryFolder(), 'whole.backup')
  writeFileSync(file, bytes)
  const rows: Rows = {}
  const contents = await readBackup(file, async ({ name }, more) => {
    rows[name] = [...(rows[name] ?? []), ...more]
  })
  return { contents, rows }
}

/** The bytes of a changed backup, whose counts and checksums are right. */
function rewritten(
  { contents, rows }: Awaited<ReturnType<typeof parsed>>,
  change: (contents: Contents, rows: Rows) => void,
): Buffer {
  change(contents, rows)
  const lines = new Lines()
  let text = lines.begin(contents.header)
  for (const { name, columns } of contents.tables) {
    text += lines.beginTable({ name, columns })
    if (rows[name]?.length) text += lines.rows(rows[name])
    text += lines.endTable().line
  }
  return gzipSync(text + lines.sequences(contents.sequences) + lines.end())
}

type Rows = Record<string, string[]>

test.each([
  [
    'has a house of a type that it lacks',
    (_: Contents, rows: Rows) => {
      rows.housing_types = []
    },
    /fk_housing_type/,
  ],
  [
    'has a row that the database would store otherwise',
    (_: Contents, rows: Rows) => {
      rows.housing = [`${rows.housing?.[0]?.replace('"V8W 1P6"', '"V8W"')}`]
    },
    /After the restore, housing\.housing has 1 rows that are not the 1 of the backup\. Nothing was kept\./,
  ],
  [
    'has a table that this release does not know',
    ({ tables }: Contents) => {
      tables.push({ name: 'owners', columns: ['id'], count: 0, sha256: '' })
    },
    /The backup has a table owners, which this release does not know/,
  ],
])('a restore of a backup that %s keeps nothing of it', async (_, change, why) => {
  const { bytes } = await smallBackup()
  const file = join(await temporaryFolder(), 'odd.backup')
  writeFileSync(file, rewritten(await parsed(bytes), change))
  const { env, query } = await onServer()
  const { code, stderr } = await run({ command: ['restore', file], env })
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(why) })
  const { rows } = await query(`select (select count(*)::int from housing.housing) as houses,
    (select count(*)::int from housing.changes) as changes, (select count(*)::int from housing.housing_types) as types`)
  expect(rows).toEqual([{ houses: 0, changes: 0, types: 4 }])
  writeFileSync(file, bytes)
  await succeed(env, 'restore', file) // it is as empty as before
})

test.each([
  ['a house', insert(1), 'changes, housing.housing have rows'],
  ['the history of a house', `${insert(1)}; delete from housing.housing`, 'changes has rows'],
  [
    'another type',
    `insert into housing.housing_types (code, description) values ('TNY', 'Tiny House')`,
    'housing_types has rows',
  ],
  [
    'a type that was changed',
    `update housing.housing_types set description = 'x' where id = 1`,
    'housing_types has rows',
  ],
  [
    'a stored answer',
    `insert into housing.idempotency_keys values ('a', '\\x00', 201, '{}', '')`,
    'idempotency_keys has rows',
  ],
])('a database with %s is not empty, and keeps it', async (_, statement, has) => {
  const { file } = await smallBackup()
  const { env, query } = await onServer()
  await succeed(env, 'migrate')
  await query(statement)
  const before = await backedUp(env)
  const { code, stderr } = await run({ command: ['restore', file], env })
  expect({ code, stderr }).toEqual({
    code: 1,
    stderr: expect.stringContaining(`The database is not empty: housing.${has}`),
  })
  expect(await dataIn(await backedUp(env))).toEqual(await dataIn(before))
})

test('a database whose feed was read is still empty', async () => {
  const { file } = await smallBackup()
  const { env, query } = await onServer()
  await succeed(env, 'migrate')
  await query('select housing.number_changes()')
  await succeed(env, 'restore', file)
})

test('while an API uses the embedded database, both say so and change nothing', async () => {
  const { file } = await smallBackup()
  const { env } = await embedded()
  const api = await serve({ env })
  const target = join(await temporaryFolder(), 'homes.backup')
  for (const command of [
    ['backup', target],
    ['restore', file],
  ]) {
    const { code, stderr } = await run({ command, env })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `sample-api: The embedded database serves one process at a time, and is in use by process ${api.pid}. If that is the API, stop it, run this command again, and then start it.\n`,
    })
  }
  expect(existsSync(target)).toBe(false)
  expect(await remote(api.url).total()).toBe(0)
})

describe('the file of a backup', async () => {
  test('is not overwritten without --force, and only its owner may read it', async () => {
    const { env } = await embedded()
    const folder = await temporaryFolder()
    const file = join(folder, 'homes.backup')
    writeFileSync(file, 'something else')
    writeFileSync(`${file}.unfinished`, 'what a killed backup left')
    const { code, stderr } = await run({ command: ['backup', file], env })
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `sample-api: ${file} exists: name another file, or replace it with --force.\n`,
    })
    expect(readFileSync(file, 'utf8')).toBe('something else')
    const said = await succeed(env, 'backup', '--force', file)
    expect(said).toContain('Not in it: the stored answers of requests with an Idempotency-Key')
    expect(await succeed(env, 'restore', '--dry-run', file)).toMatch(/is complete and undamaged/)
    expect(statSync(file).mode & 0o777).toBe(0o600)
    expect(readdirSync(folder)).toEqual(['homes.backup'])
  })

  test('is not there if the backup fails, whether at its beginning or in its middle', async () => {
    const { url, ownersUrl, drop } = await ownRegistry()
    onTestFinished(drop)
    const folder = await temporaryFolder()
    const file = join(folder, 'homes.backup')
    const denied = await run({ command: ['backup', file], env: { DATABASE_URL: url } })
    expect(denied).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/may not do this .*feed_state.* owns the schema/),
    })
    expect(readdirSync(folder)).toEqual([])
    await succeed({ DATABASE_URL: ownersUrl }, 'backup', file)
    expect(readdirSync(folder)).toEqual(['homes.backup'])
    const nowhere = await run({
      command: ['backup', join(folder, 'no', 'homes.backup')],
      env: { DATABASE_URL: ownersUrl },
    })
    expect(nowhere).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^sample-api: The file cannot be written: ENOENT.*this user may write to\.\n$/),
    })
  })

  test('can be stdout', async () => {
    const { file, env } = await smallBackup()
    const { env: elsewhere } = await newFolder()
    const folder = await temporaryFolder()
    const program: [string, ...string[]] = [
      'sh',
      '-c',
      `exec ${process.execPath} dist/main.js backup - > ${folder}/piped`,
    ]
    expect(await run({ program, env })).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('The backup is complete'),
    })
    expect(await dataIn(`${folder}/piped`)).toEqual(await dataIn(file))
    await succeed(elsewhere, 'restore', `${folder}/piped`)
    expect(await run({ command: ['restore', '-'], env: elsewhere })).toMatchObject({ code: 2 })
    expect(await run({ command: ['restore', `${folder}/none`], env: elsewhere })).toMatchObject({ code: 2 })
    const unreadable = await run({ command: ['restore', folder], env: elsewhere })
    expect(unreadable.stderr).toMatch(/^sample-api: .+ cannot be read: EISDIR/)
  })
})

test('the role that owns the tables can restore, and the other one serves then', async () => {
  const { file } = await smallBackup()
  const { url, ownersUrl, drop } = await ownRegistry()
  onTestFinished(drop)
  const denied = await run({ command: ['restore', file], env: { DATABASE_URL: url } })
  expect(denied).toMatchObject({ code: 1, stderr: expect.stringMatching(/may not do this .*owns the schema/) })
  const api = await serve({ env: { DATABASE_URL: url } })
  const { total, patch, send } = remote(api.url)
  expect(await total()).toBe(0)
  expect((await send('GET', '/api/v2/housing-types/SFD')).status).toBe(200)
  await succeed({ DATABASE_URL: ownersUrl }, 'restore', file)
  expect(await total()).toBe(50)
  expect((await patch({ city: 'Oak Bay' })).headers.get('etag')).toBe('"1-2"')
  const client = new pg.Client(ownersUrl)
  await client.connect()
  onTestFinished(() => client.end())
  await client.query(rolesSql()) // nothing to add
})

test('the feed has every change after a restore, also where Postgres calls itself the same and is younger', async () => {
  const [{ env }, target] = [await embedded(), await embedded()] // copies of one, as those that an image makes
  const api = await serve({ env })
  for (let n = 0; n < 300; n++) await remote(api.url).post()
  const { next } = await follow(api.url, 0)
  await remote(api.url).patch({ city: 'Oak Bay' }, 7)
  api.signal('SIGTERM')
  await api.exit
  await succeed(target.env, 'restore', await backedUp(env))
  const there = await serve(target)
  await remote(there.url).patch({ city: 'Oak Bay' }, 8)
  expect((await follow(there.url, next)).got).toEqual(['7-2', '8-2'])
})
