import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { library, remote } from '../support/http.ts'
import { onServer } from '../support/places.ts'
import { startPostgres } from '../support/postgres.ts'
import { serve } from '../support/program.ts'
import { startProxy } from '../support/proxy.ts'
import { isLong } from '../support/rounds.ts'

vi.setConfig({ testTimeout: 120_000 })

const apiOf = (url: string) => {
  const api = remote(url)
  return {
    ...api,
    importRows: (rows: object[], query = '') => api.send('POST', `/api/v2/housing/import${query}`, rows),
    house: async (id: number) => (await api.list(`/${id}`)).body,
  }
}

/** A program on a database of its own, or on this one, with three houses; and what the database knows of it. */
async function withHouses(database?: string) {
  const { DATABASE_URL } = database === undefined ? (await onServer()).env : { DATABASE_URL: database }
  const program = await serve({ env: { DATABASE_URL } })
  const api = apiOf(program.url)
  expect((await api.batch(3)).status).toBe(200)
  const connect = async () => {
    const client = new pg.Client(DATABASE_URL)
    client.on('error', () => {}) // the database goes away
    await client.connect()
    onTestFinished(() => client.end().catch(() => {}))
    return client
  }
  const observer = await connect()
  return {
    ...program,
    ...api,
    connect,
    /** Waits until so many connections wait for a lock. */
    waiting: (count: number) =>
      expect
        .poll(async () => (await observer.query(`select ${awaitingLocks}`)).rowCount, { timeout: 30_000, interval: 20 })
        .toBe(count),
    /** Runs statements in a transaction, which lasts until the function that it returns commits it. */
    async hold(statements: string) {
      const client = await connect()
      await client.query(`begin; ${statements}`)
      return () => client.query('commit')
    },
  }
}

const awaitingLocks = "from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
const lockTwo = 'select from housing.housing where id = 2 for update'

describe('a house that an import waits for', () => {
  const others = [{ id: 1, address: '7' }, library]

  test.each([
    ['has another city by then', "city = 'Sooke'", { city: 'Sooke', housing_type: 'COP' }],
    ['has another type by then', 'housing_type_id = 1', { city: 'Victoria', housing_type: 'SFD' }],
  ])('%s: neither change is lost', async (_what, change, expected) => {
    const { hold, waiting, importRows, house } = await withHouses()
    const commit = await hold(`update housing.housing set ${change} where id = 2`)
    const imported = importRows([...others, { id: 2, address: '9' }])
    await waiting(1)
    await commit()
    expect(await imported).toMatchObject({ status: 200, body: { created: 1, updated: 2 } })
    expect(await house(2)).toMatchObject({ ...library, ...expected, address: '9', version: 3 })
  })

  test.each([
    ['was changed', "update housing.housing set city = 'Sooke' where id = 2", 'version-conflict'],
    ['was deleted', 'delete from housing.housing where id = 2', 'not-found'],
  ])('and that %s meanwhile rejects its row: all or nothing, or the others', async (_what, change, code) => {
    const { hold, waiting, importRows, list, total } = await withHouses()
    const rows = [...others, { id: 2, version: 1, address: '9' }]
    const commit = await hold(change)
    const imported = importRows(rows)
    await waiting(1)
    await commit()
    expect(await imported).toMatchObject({ status: 422, body: { code: 'rows-rejected', errors: [{ line: 3, code }] } })
    const left = (await list()).body.items.map(({ id, address }: { id: number; address: string }) => [id, address])
    expect(left.filter(([id]: [number]) => id !== 2)).toEqual([
      [1, library.address],
      [3, library.address],
    ])
    const before = await total()
    expect(await importRows(rows, '?on_error=skip')).toMatchObject({
      status: 200,
      body: { created: 1, updated: 1, rejected: 1, errors: [{ line: 3, code }] },
    })
    expect(await total()).toBe(before + 1)
  })
})

test('who wants a house that a waiting import has changed is answered within the deadline, and may try again', async () => {
  const { hold, waiting, importRows, patch, house, post } = await withHouses()
  const commit = await hold(lockTwo)
  const imported = importRows([1, 2].map((id) => ({ id, address: '7' })))
  await waiting(1)
  const refused = patch({ city: 'Sooke' })
  expect((await post()).status).toBe(201)
  expect(await patch({ city: 'Sooke' }, 3)).toMatchObject({ status: 200 })
  expect(await refused).toMatchObject({ status: 504, body: { code: 'timeout' } })
  await commit()
  expect(await imported).toMatchObject({ status: 200, body: { updated: 2 } })
  expect(await patch({ city: 'Sooke' })).toMatchObject({ status: 200 })
  expect(await house(1)).toMatchObject({ ...library, address: '7', city: 'Sooke', version: 3 })
})

test('an import that waits for a house for a minute is answered, and has stored nothing', async ({ skip }) => {
  skip(!isLong, 'it takes a minute: npm run faults')
  const { hold, importRows, total } = await withHouses()
  const commit = await hold(lockTwo)
  const refused = { status: 504, body: { code: 'timeout', detail: expect.stringContaining('nothing was changed') } }
  expect(await importRows([library, { id: 2, address: '7' }])).toMatchObject(refused)
  expect(await total()).toBe(3)
  await commit()
  expect(await importRows([library, { id: 2, address: '7' }])).toMatchObject({ status: 200 })
})

test('two imports that lock the same houses in opposite order are both applied', async () => {
  const { batch, hold, waiting, importRows, list } = await withHouses()
  for (let i = 0; i < 8; i++) expect((await batch(250)).status).toBe(200)
  const changes = (city: string) => Array.from({ length: 2000 }, (_, i) => ({ id: i + 1, city }))
  const commit = await hold('select from housing.housing where id = 1500 for update')
  const backward = importRows(changes('Sooke').reverse())
  await waiting(1) // has the houses from 1001, and will want the first thousand
  const forward = importRows(changes('Colwood'))
  await waiting(2) // has the first thousand, and wants those from 1001
  await commit()
  for (const imported of [backward, forward])
    expect(await imported).toMatchObject({ status: 200, body: { updated: 2000 } })
  const { items } = (await list('?limit=1000')).body
  expect(new Set(items.map(({ version }: { version: number }) => version))).toEqual(new Set([3]))
  expect(new Set(items.map(({ city }: { city: string }) => city)).size).toBe(1)
})

describe('a connection that is lost', () => {
  type Api = Pick<ReturnType<typeof apiOf>, 'importRows' | 'send'>
  const writes: [string, (api: Api, ids: number[]) => ReturnType<Api['importRows']>][] = [
    ['an import', ({ importRows }, ids) => importRows([library, ...ids.map((id) => ({ id, city: 'Sooke' }))])],
    [
      'a batch',
      ({ send }, ids) =>
        send('POST', '/api/v2/housing/batch', {
          operations: [
            { op: 'create', house: library },
            ...ids.map((id) => ({ op: 'update', id, version: 1, house: { city: 'Sooke' } })),
          ],
        }),
    ],
  ]

  test.each(writes)('in the middle of %s has stored nothing, and that is said', async (_what, write) => {
    const server = await startPostgres()
    onTestFinished(server.stop)
    const { hold, waiting, connect, total, ...api } = await withHouses(server.url)
    const nothing = {
      status: 503,
      body: { code: 'unavailable', detail: expect.stringContaining('lost; nothing was changed') },
    }
    const commit = await hold(lockTwo)
    const ended = write(api, [1, 2])
    await waiting(1)
    await (await connect()).query(`select pg_terminate_backend(pid) ${awaitingLocks}`)
    expect(await ended).toMatchObject(nothing)
    expect(await total()).toBe(3)
    await commit()

    await hold(lockTwo)
    const crashed = write(api, [1, 2])
    await waiting(1)
    await server.crash()
    expect(await crashed).toMatchObject(nothing)
    await server.start()
    await expect.poll(total, { timeout: 30_000 }).toBe(3)
    expect(await write(api, [1, 2])).toMatchObject({ status: 200 })
    expect(await total()).toBe(4)
  })

  test.each(writes)('at the end of %s leaves its outcome unknown', async (_what, write) => {
    const { env, query } = await onServer()
    const url = new URL(env.DATABASE_URL)
    const proxy = await startProxy(Number(url.port))
    onTestFinished(() => proxy.close())
    url.port = `${proxy.port}`
    const api = apiOf((await serve({ env: { DATABASE_URL: url.href } })).url)
    expect((await api.batch(3)).status).toBe(200)
    proxy.keepAnswersTo('commit\0') // as a whole statement
    const unanswered = write(api, [1, 2])
    await expect
      .poll(async () => (await query('select from housing.housing')).rowCount, { timeout: 30_000, interval: 20 })
      .toBe(4)
    proxy.close()
    expect(await unanswered).toMatchObject({ status: 503, body: { code: 'outcome-unknown' } })
  })
})
