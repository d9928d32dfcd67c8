import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { ownDatabase } from './support/api.ts'
import { library as house } from './support/http.ts'
import { embedded } from './support/places.ts'
import { serve } from './support/program.ts'
import { startProxy } from './support/proxy.ts'
import { diceFor, rounds } from './support/rounds.ts'

vi.setConfig({ testTimeout: 60_000 * rounds })

const headers = (key: string) => ({ 'content-type': 'application/json', 'idempotency-key': key })
const post = (url: string, key: string) =>
  fetch(`${url}/api/v2/housing`, { method: 'POST', headers: headers(key), body: JSON.stringify(house) })
const count = async (url: string) => {
  const page = await (await fetch(`${url}/api/v2/housing?count=exact&limit=1`)).json()
  return (page as { total: number }).total
}

test('on a server, a retry gets the answer that a crash cut off after the commit', async () => {
  const { url: database, drop } = await ownDatabase()
  onTestFinished(drop)
  const proxy = await startProxy(Number(new URL(database).port))
  onTestFinished(proxy.close)
  const behind = new URL(database)
  behind.port = String(proxy.port)
  const first = await serve({ env: { DATABASE_URL: behind.href } })

  const key = randomUUID()
  proxy.keepAnswersTo('commit')
  const unanswered = post(first.url, key).catch(() => 'cut off')
  const client = new pg.Client(database)
  await client.connect()
  while ((await client.query('select from housing.housing')).rowCount === 0) await sleep(10)
  await client.end()
  first.signal('SIGKILL')
  expect(await unanswered).toBe('cut off')

  const { url } = await serve({ env: { DATABASE_URL: database } })
  const replay = await post(url, key)
  expect(replay.status).toBe(201)
  expect(replay.headers.get('idempotency-replayed')).toBe('true')
  expect(await replay.json()).toMatchObject({ id: 1, ...house })
  expect(await count(url)).toBe(1)
})

test('embedded, a kill at any instant leaves each key done once or not at all, and a retry completes it', async () => {
  const { env } = await embedded()
  const answered = new Map<string, string>()
  const keys: string[] = []
  const dice = diceFor('safe retries')
  for (let round = 0; round < 3 * rounds; round++) {
    const program = await serve({ env })
    for (let i = 0; i < 20; i++) {
      const key = randomUUID()
      keys.push(key)
      post(program.url, key)
        .then(async (answer) => answered.set(key, await answer.text()))
        .catch(() => {})
    }
    await sleep(dice.between(0, 120))
    program.signal('SIGKILL')
    await program.exit
  }
  const { url } = await serve({ env })
  const bodies = new Set<string>()
  for (const key of keys) {
    const answer = await post(url, key)
    expect(answer.status).toBe(201)
    const body = await answer.text()
    if (answered.has(key)) expect(body).toBe(answered.get(key))
    bodies.add(body)
  }
  expect(bodies.size).toBe(keys.length)
  expect(await count(url)).toBe(keys.length)
})
