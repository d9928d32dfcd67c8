import { expect, test } from 'vitest'
import { Notices } from './listen.ts'
import { Memory } from './memory.ts'

/** A memory of a table with one value, and what is guaranteed about its notices. */
function memoryOf(value: string) {
  const table = { value, reads: 0, before: async () => {} }
  const notices = new Notices()
  const memory = new Memory(notices, async () => {
    table.reads += 1
    const { value } = table
    await table.before()
    return { value }
  })
  const guaranteed = () => notices.complete(Number.POSITIVE_INFINITY)
  guaranteed()
  return { table, notices, memory, guaranteed }
}

test('what was read is the same object until a notice arrives', async () => {
  const { table, notices, memory } = memoryOf('first')
  const first = await memory.recall()
  expect(first).toEqual({ value: 'first' })
  expect(await memory.recall()).toBe(first)
  table.value = 'second'
  notices.add()
  expect(await memory.recall()).toEqual({ value: 'second' })
  expect(table.reads).toBe(2)
})

test('everybody who asks meanwhile shares one read', async () => {
  const { table, memory } = memoryOf('shared')
  expect(new Set(await Promise.all([memory.recall(), memory.recall(), memory.recall()])).size).toBe(1)
  expect(table.reads).toBe(1)
})

test('while notices may be missing nothing is recalled, and what was read before does not count afterwards', async () => {
  const { table, notices, memory, guaranteed } = memoryOf('before')
  await memory.recall()
  notices.complete(0)
  expect(await memory.recall()).toBeUndefined()
  expect(table.reads, 'the database is left to those who ask').toBe(1)
  table.value = 'after'
  notices.add() // as a listener does when it begins again
  guaranteed()
  expect(await memory.recall()).toEqual({ value: 'after' })
})

test('a read that a notice overtakes is neither answered nor kept', async () => {
  const { table, notices, memory } = memoryOf('old')
  table.before = async () => {
    table.before = async () => {}
    table.value = 'new'
    notices.add()
  }
  expect(await memory.recall()).toBeUndefined()
  expect(await memory.recall()).toEqual({ value: 'new' })
})

test('a read during which the guarantee ends is not answered', async () => {
  const { table, notices, memory } = memoryOf('old')
  table.before = async () => notices.complete(0)
  expect(await memory.recall()).toBeUndefined()
})

test('a read that fails rejects, and is tried again', async () => {
  const { table, memory } = memoryOf('fine')
  table.before = async () => {
    table.before = async () => {}
    throw new Error('on purpose')
  }
  await expect(memory.recall()).rejects.toThrow('on purpose')
  expect(await memory.recall()).toEqual({ value: 'fine' })
})

test.each(['succeeds', 'fails'])('a change of its own that %s counts at once, without a notice', async (outcome) => {
  const { table, memory } = memoryOf('before')
  await memory.recall()
  const change = memory.change(async () => {
    table.value = 'after'
    if (outcome === 'fails') throw new Error('on purpose')
    return 'done'
  })
  if (outcome === 'fails') await expect(change).rejects.toThrow('on purpose')
  else expect(await change).toBe('done')
  expect(await memory.recall()).toEqual({ value: 'after' })
})
