import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { backend, noDatabase, startApi } from '../../test/support/api.ts'
import type { Scope } from '../config/access-settings.ts'
import { Notices } from '../database/listen.ts'
import { openDatabase } from '../database/open.ts'
import { makeApiKey } from './api-key.ts'
import { InvalidCredentials } from './credentials.ts'
import { ApiKeys } from './keys.ts'
import { insertKey, revokeKey } from './queries.ts'

const soon = { timeout: 10_000 }
const day = 24 * 60 * 60

const { db, database, settings } = await startApi()
// On a server each process has its own connections; an embedded folder is for one process.
const other = backend === 'server' ? await openDatabase(settings) : database
afterAll(async () => {
  if (other !== database) await other.close()
})

const listening = database.listen('api_keys', () => {})
const keys = new ApiKeys(database, listening)
const otherKeys = new ApiKeys(
  other,
  other.listen('api_keys', () => {}),
)
const unheard = new ApiKeys(database, new Notices())

beforeEach(() => expect.poll(() => listening.count, soon).toBeDefined())
afterEach(() => void vi.useRealTimers())

/** Only the date is another one; timers run as ever. */
const itIs = (date: string | number) => vi.useFakeTimers({ toFake: ['Date'], now: new Date(date) })

/** A new key, as a command makes it. */
async function newKey({ scopes = ['housing:read'] as Scope[], lifetime = 90 * day } = {}) {
  const { key, ...stored } = makeApiKey()
  const row = await insertKey(db, { ...stored, name: 'For a test', scopes, lifetime })
  return { ...row, key }
}

const refused = (reason: string) => expect.objectContaining({ constructor: InvalidCredentials, message: reason })
const callerOf = async (of: ApiKeys, key: string) => of.callerOf(key)
const outcome = (of: ApiKeys, key: string) => callerOf(of, key).catch((error) => error)
const callers = (key: string) => Promise.all([keys, otherKeys, unheard].map((each) => outcome(each, key)))

/** Waits until all three have the outcome. */
const allGive = (key: string, expected: unknown) =>
  expect.poll(() => callers(key), soon).toEqual([expected, expected, expected])

describe('the table accepts no', () => {
  test.each([
    ["id = '7F3A9C01'", 'api_key_id_is_8_hex_characters'],
    ["id = '7f3a9c012'", 'api_key_id_is_8_hex_characters'],
    ["id = E'7f3a9c01\\n'", 'api_key_id_is_8_hex_characters'],
    ["hash = '\\x00'", 'api_key_hash_is_sha_256'],
    ["name = ''", 'api_key_name_is_1_to_100_characters'],
    ["name = E' \\t\\n'", 'api_key_name_is_1_to_100_characters'],
    ["name = repeat('x', 101)", 'api_key_name_is_1_to_100_characters'],
    ["scopes = '{}'", 'api_key_scopes_are_known'],
    ["scopes = '{housing:read,housing:all}'", 'api_key_scopes_are_known'],
    ["scopes = '{housing:read,null}'", 'api_key_scopes_are_known'],
    ["expires_at = created_at + interval '366 days 1 second'", 'api_key_lives_a_year_at_most'],
    ['expires_at = created_at', 'api_key_lives_a_year_at_most'],
    ["created_at = '-infinity'", 'api_key_lives_a_year_at_most'],
  ])('%s', async (change, constraint) => {
    await newKey()
    await expect(sql`update housing.api_keys set ${sql.raw(change)}`.execute(db)).rejects.toMatchObject({
      code: '23514',
      constraint,
    })
  })

  test('second key with the same hash', async () => {
    const { key, ...stored } = makeApiKey()
    const insert = (id: string) =>
      insertKey(db, { ...stored, id, name: 'Twice', scopes: ['housing:read'], lifetime: day })
    await insert('00000001')
    await expect(insert('00000002')).rejects.toMatchObject({ constraint: 'api_key_hash_is_unique' })
  })
})

test('who made a key is noted', async () => {
  const { rows } = await sql<{ role: string }>`select session_user as role`.execute(db)
  expect((await newKey()).created_by).toBe(rows[0]?.role)
})

test('a key has one caller with its id and scopes, the same object each time', async () => {
  const { key, id } = await newKey({ scopes: ['housing:write', 'housing:write'] })
  await allGive(key, { name: `key:${id}`, scopes: new Set(['housing:write']) })
  for (const each of [keys, otherKeys, unheard]) expect(await each.callerOf(key)).toBe(await each.callerOf(key))
  const before = await callers(key)
  await newKey()
  await expect.poll(() => callers(key), soon).toSatisfy((now: unknown[]) => now.every((each, i) => each === before[i]))
})

test('other scopes of a key are another caller', async () => {
  const { key, id } = await newKey()
  await allGive(key, { name: `key:${id}`, scopes: new Set(['housing:read']) }) // its notice has arrived
  const before = await keys.callerOf(key)
  await sql`update housing.api_keys set scopes = '{housing:admin}'`.execute(db)
  await allGive(key, { name: `key:${id}`, scopes: new Set(['housing:admin']) })
  expect(before.scopes, 'requests in progress keep what they had').toEqual(new Set(['housing:read']))
})

test('a key that one process makes is accepted by others, and by none once it is revoked', async () => {
  const { key, id } = await newKey()
  await allGive(key, { name: `key:${id}`, scopes: new Set(['housing:read']) })
  await revokeKey(db, id)
  expect(await outcome(unheard, key), 'without notices it counts at once').toEqual(
    refused(`the API key ${id} is revoked`),
  )
  await allGive(key, refused(`the API key ${id} is revoked`))
})

test('an unknown key, a deleted one and all of a truncated table are refused', async () => {
  await allGive(makeApiKey().key, refused('no such API key'))
  const [one, two] = [await newKey(), await newKey()]
  for (const { key } of [one, two]) await allGive(key, expect.objectContaining({ scopes: expect.any(Set) }))
  await sql`delete from housing.api_keys where id = ${one.id}`.execute(db)
  await allGive(one.key, refused('no such API key'))
  await sql`truncate housing.api_keys`.execute(db)
  await allGive(two.key, refused('no such API key'))
})

test('a key ends in time, also in memory', async () => {
  const { key, id, expires_at } = await newKey({ lifetime: day })
  const valid = expect.objectContaining({ name: `key:${id}` })
  await allGive(key, valid)
  itIs(Date.parse(expires_at) - 1) // not while polling, which moves the clock on
  expect(await callers(key)).toEqual([valid, valid, valid])
  itIs(expires_at)
  for (const each of await callers(key)) expect(each).toEqual(refused(`the API key ${id} has expired`))
})

/** Whether it answers while the table is locked. */
const answersFromMemory = (of: ApiKeys, key: string) =>
  db.transaction().execute(async (tx) => {
    await sql`lock table housing.api_keys in access exclusive mode`.execute(tx)
    return Promise.race([callerOf(of, key).then(() => true), sleep(500, false)])
  })

test('keys come from memory while the process is notified of changes, otherwise from the database', async () => {
  const { key } = await newKey()
  await allGive(key, expect.anything())
  await expect.poll(() => answersFromMemory(keys, key), soon).toBe(true)
  expect(await answersFromMemory(unheard, key)).toBe(false)
})

test('without a database, what cannot be a key is refused, and of others the error of the database is passed on', async () => {
  const withoutDatabase = new ApiKeys(noDatabase, new Notices())
  const { key } = makeApiKey()
  const mistyped = key.replace(/.$/, (last) => (last === 'x' ? 'y' : 'x'))
  for (const text of ['hr_', 'hr_x_y', `${key}\n`, key.slice(0, -1), mistyped])
    expect(await outcome(withoutDatabase, text)).toEqual(refused('the API key is cut off or mistyped'))
  const error = await outcome(withoutDatabase, key)
  expect(error).toBeInstanceOf(Error)
  expect(error).not.toBeInstanceOf(InvalidCredentials)
})

/** Notices of which none is on its way any more, and their count. */
async function newNotices() {
  const notices = database.listen('api_keys', () => {})
  let before = 0
  await expect.poll(() => (before = notices.count ?? 0), soon).toBeGreaterThan(0)
  return { notices, before }
}

describe('the last day of use', () => {
  /** Each key's last day, and the version of its row. */
  const stored = async () => {
    const { rows } = await sql<{ id: string; day: string | null; row: string }>`
      select id, last_used_on::text as day, xmin::text as row from housing.api_keys order by created_at, id`.execute(db)
    return rows
  }
  const days = async () => (await stored()).map(({ day }) => day)
  const [first, second] = ['2030-01-01T23:59:59.999Z', '2030-01-02T00:00:00.000Z']
  /** Keys that are valid on those days. */
  const newKeys = async (count: number) => {
    const made = await Promise.all(Array.from({ length: count }, () => newKey()))
    await sql`update housing.api_keys set created_at = '2029-12-31', expires_at = '2030-06-01'`.execute(db)
    return made
  }
  const allUse = async (of: ApiKeys, made: { key: string }[]) => {
    for (const { key } of [...made, ...made]) await of.callerOf(key)
  }
  const flushed = [keys, otherKeys, unheard]
  beforeEach(() => Promise.all(flushed.map((each) => each.flush()))) // nothing is left over from other tests

  test('is stored once for each key and day, in UTC, whichever process was asked', async () => {
    const made = await newKeys(3)
    expect(await days()).toEqual([null, null, null])
    itIs(first)
    await allUse(unheard, made.slice(0, 2))
    await unheard.flush()
    const used = await stored()
    expect(used.map(({ day }) => day).sort()).toEqual(['2030-01-01', '2030-01-01', null])
    for (const each of flushed) {
      await allUse(each, made.slice(0, 2))
      await each.flush()
    }
    expect(await stored(), 'no row was written again').toEqual(used)

    itIs(first) // a process whose clock is behind
    await allUse(keys, made)
    itIs(second)
    for (const each of [otherKeys, unheard]) await allUse(each, made)
    await otherKeys.flush()
    const later = await stored()
    expect(later.map(({ day }) => day)).toEqual(['2030-01-02', '2030-01-02', '2030-01-02'])
    for (const each of flushed) await each.flush()
    expect(await stored(), 'neither the same day nor an earlier one was written').toEqual(later)
  })

  test('of several keys is stored by one statement', async () => {
    const made = await newKeys(3)
    itIs(first)
    await allUse(keys, made)
    await keys.flush()
    const rows = await stored()
    expect(rows.map(({ day }) => day)).toEqual(['2030-01-01', '2030-01-01', '2030-01-01'])
    expect(new Set(rows.map(({ row }) => row)).size, 'one transaction').toBe(1)
  })

  test('is no change of the key: nobody is notified', async () => {
    const made = await newKeys(2)
    const work = async () => {
      itIs(first)
      await allUse(keys, made)
      await keys.flush()
      expect(await days()).toEqual(['2030-01-01', '2030-01-01'])
    }
    if (backend === 'embedded') {
      const { notices, before } = await newNotices()
      await work()
      expect(notices.count, 'notices arrive with the answer').toBe(before)
      return
    }
    await other.withClient(async (client) => {
      let count = 0
      client.on('notification', () => {
        count += 1
      })
      await client.query('listen api_keys')
      await work()
      await client.query('select 1') // its answer comes after all notices
      expect(count).toBe(0)
    })
  })

  test('waits while it cannot be stored, which no request notices', async () => {
    const made = await newKeys(2)
    await sql`alter table housing.api_keys add constraint full_disk check (last_used_on is null)`.execute(db)
    onTestFinished(async () => {
      await sql`alter table housing.api_keys drop constraint if exists full_disk`.execute(db)
    })
    itIs(first)
    await allUse(keys, made)
    await expect(keys.flush()).rejects.toMatchObject({ constraint: 'full_disk' })
    await allUse(keys, made)
    expect(await days()).toEqual([null, null])
    await sql`alter table housing.api_keys drop constraint full_disk`.execute(db)
    await keys.flush()
    expect(await days()).toEqual(['2030-01-01', '2030-01-01'])
  })
})

describe('everybody is notified of', () => {
  test.each([
    "id = '00000001'",
    'hash = sha256(hash)',
    "name = 'Other'",
    "scopes = '{housing:admin}'",
    "expires_at = expires_at - interval '1 day'",
    'revoked_at = now()',
  ])('%s', async (change) => {
    await newKey()
    const { notices, before } = await newNotices()
    await sql`update housing.api_keys set ${sql.raw(change)}`.execute(db)
    await expect.poll(() => notices.count, soon).toBe(before + 1)
  })
})
