import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { silent, startApi } from '../../../test/support/api.ts'
import { client, library as house } from '../../../test/support/http.ts'
import { Feed } from './feed.ts'

const { app, database } = await startApi()

test('a listener that comes while the reader is about to end gets the next change', async () => {
  const pauses = Array.from({ length: 16 }, (_, i) => 1700 + i * 50) // the reader ends after some two seconds
  const query = { after: 0, limit: 1, filters: {} }
  const waiting = pauses.map(async (pause) => {
    const feed = new Feed(database, silent)
    const { signal } = new AbortController()
    await feed.next(query, 1000, signal)
    await sleep(pause)
    const begun = performance.now()
    const { entries } = await feed.next(query, 25_000, signal)
    return { pause, entries: entries.length, isPrompt: performance.now() < begun + 20_000 }
  })
  await sleep(Math.max(...pauses) + 2000)
  await client(app).post('/api/v2/housing', house)
  expect(await Promise.all(waiting)).toEqual(pauses.map((pause) => ({ pause, entries: 1, isPrompt: true })))
}, 60_000)
