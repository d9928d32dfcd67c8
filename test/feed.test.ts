import { expect, test } from 'vitest'
import { checkFeed } from './support/feed/check.ts'
import { onServer } from './support/places.ts'

test('everybody gets every change once, in order, whoever writes and whatever breaks', async () => {
  const { env } = await onServer()
  const { did, readers, differences } = await checkFeed({
    databaseUrl: env.DATABASE_URL,
    seed: 20261126,
    changes: 3000,
  })
  expect(differences).toEqual([])
  expect(readers.map(({ seen }) => seen)).toEqual(readers.map(() => did.changes))
  expect(did['connections killed']).toBeGreaterThan(0)
  expect(did['programs killed']).toBeGreaterThan(0)
}, 180_000)
