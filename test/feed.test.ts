import { expect, test } from 'vitest'
import { below, pick, randomOf } from '../src/housing/demo/random.ts'
import { checkFeed } from './support/feed/check.ts'
import { insert, onServer } from './support/places.ts'
import { serve } from './support/program.ts'

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

test('many changes get their positions in steps, once and in order, while others are made', async () => {
  const place = await onServer()
  await serve(place)
  const numberer = await place.connect()
  const number = () => numberer.query('select housing.number_changes(4)')
  const unnumbered = async () => {
    const { rows } = await numberer.query(
      'select count(*)::int as all, (select count(*)::int from housing.feed) as numbered from housing.changes',
    )
    return rows[0].all - rows[0].numbered
  }
  const connections = [await place.connect(), await place.connect(), await place.connect(), await place.connect()]
  const writers = connections.map((client) => ({ client, isOpen: false }))
  const random = randomOf(20261126, 0)
  for (let i = 0; i < 300; i++) {
    const writer = pick(writers, random)
    if (!writer.isOpen) await writer.client.query('begin')
    writer.isOpen = true
    await writer.client.query(insert(below(3, random)))
    await writer.client.query(`update housing.housing set address = address || '0' where id in (
      select id from housing.housing order by (id * 7919 + ${i}) % 101 limit 3 for update skip locked)`)
    if (below(3, random) === 0) {
      await writer.client.query(pick(['commit', 'commit', 'commit', 'rollback'], random))
      writer.isOpen = false
    }
    if (below(2, random) === 0) await number()
  }
  expect(await unnumbered()).toBeGreaterThan(20)
  for (const { client, isOpen } of writers) if (isOpen) await client.query('commit')
  for (let i = 0; i < 500 && (await unnumbered()) > 0; i++) await number()
  expect(await unnumbered()).toBe(0)
  const { rows } = await numberer.query(
    `select housing_id, version, before from (
      select housing_id, version, lag(version) over (partition by housing_id order by f.position) as before
      from housing.feed f join housing.changes c on c.position = f.change) found
    where version <> coalesce(before, 0) + 1`,
  )
  expect(rows).toEqual([])
}, 60_000)

test('the work for a change does not grow with their number, whatever the statistics say', async () => {
  const place = await onServer()
  await serve(place)
  const [importer, reader] = [await place.connect(), await place.connect()]
  await reader.query('vacuum housing.feed') // it is empty
  await importer.query('begin')
  const count = 20_000
  await importer.query(insert(count))
  await reader.query('analyze housing.changes') // it does not count the rows of a transaction in progress
  await importer.query('commit')
  const explain = 'explain (analyze, buffers, format json) select housing.number_changes()'
  const [
    {
      'QUERY PLAN': [{ Plan: plan }],
    },
  ] = (await reader.query(explain)).rows
  expect((await place.query('select count(*)::int from housing.feed')).rows).toEqual([{ count }])
  expect(plan['Shared Hit Blocks'] / count).toBeLessThan(20)
})
