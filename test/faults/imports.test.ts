import pg from 'pg'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { library, remote } from '../support/http.ts'
import { onServer } from '../support/places.ts'
import { startPostgres } from '../support/postgres.ts'
import { serve } from '../support/program.ts'
import { startProxy } from '../support/proxy.ts'

vi.setConfig({ testTimeout: 120_000 })

const apiOf = (url: string) => {
  const api = remote(url)
  return {
    ...api,
    importRows: (rows: object[], query = '') => api.send('POST', `/api/v2/housing/import${query}`, rows),
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
