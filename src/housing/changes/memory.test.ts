import { expect, test } from 'vitest'
import { RecentChanges } from './memory.ts'
import type { Entry, FeedQuery } from './queries.ts'
import { exampleChange } from './schemas.ts'

const entry = (position: number, id = 1): Entry => ({ change: { ...exampleChange, position, id }, houses: [] })

const added = (...entries: Entry[]) => ({ entries, next: entries.at(-1)?.change.position ?? 0, isKnown: true })

const positions = (recent: RecentChanges, after: number, query: Partial<FeedQuery> = {}) => {
  const page = recent.find({ after, limit: 5, ...query })
  return page && [page.entries.map(({ change }) => change.position), page.next]
}

test('it answers after each position that it knows, and after no other', () => {
  const recent = new RecentChanges()
  expect(positions(recent, 0)).toBeUndefined()
  recent.begin(10)
  recent.add(added(entry(12), entry(13, 2), entry(15)))
  expect(positions(recent, 10)).toEqual([[12, 13, 15], 15])
  expect(positions(recent, 12)).toEqual([[13, 15], 15])
  expect(positions(recent, 15)).toEqual([[], 15])
  for (const unknown of [9, 11, 14, 16]) expect(positions(recent, unknown), `${unknown}`).toBeUndefined()
  expect(positions(recent, 10, { limit: 2 })).toEqual([[12, 13], 13])
  expect(positions(recent, 10, { filters: { id: 2 } })).toEqual([[13], 15])
  recent.begin(15)
  expect(positions(recent, 10)).toBeUndefined()
  recent.forget()
  expect(positions(recent, 15)).toBeUndefined()
})

test('it keeps the last thousand changes, and a page until something is added', () => {
  const recent = new RecentChanges()
  recent.begin(0)
  const query = { after: 0, limit: 5 }
  const empty = recent.find(query)
  expect(recent.find({ ...query })).toBe(empty)
  recent.add(added(...Array.from({ length: 1000 }, (_, i) => entry(i + 1))))
  expect(positions(recent, 0)).toEqual([[1, 2, 3, 4, 5], 5])
  recent.add(added(entry(1001), entry(1002)))
  expect(positions(recent, 1)).toBeUndefined()
  expect(positions(recent, 2, { limit: 1 })).toEqual([[3], 3])
  expect(positions(recent, 1001)).toEqual([[1002], 1002])
})
