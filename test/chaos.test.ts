import { describe, expect, test } from 'vitest'
import { runChaos } from './support/chaos/chaos.ts'
import { type Change, type House, violations, type Write } from './support/chaos/history.ts'
import { embedded } from './support/places.ts'

describe('the checker', () => {
  const house = (id: number, version: number, mark: string): House => ({ id, version, address: mark, city: mark })
  const change = (operation: string, id: number, version: number, mark: string): Change => ({
    ...{ operation, id, version },
    house: house(id, version - Number(operation === 'deleted'), mark),
  })
  const batch: Write['parts'] = [
    { operation: 'created', mark: 'c', id: 2, version: 1 },
    { operation: 'updated', mark: 'd', id: 1, version: 3 },
    { operation: 'deleted', id: 3, version: 2 },
  ]
  const writes: Write[] = [
    { outcome: 'done', parts: [{ operation: 'created', mark: 'a', id: 1, version: 1 }] },
    { outcome: 'done', parts: [{ operation: 'updated', mark: 'b', id: 1, version: 2 }] },
    { outcome: 'unknown', parts: [{ operation: 'created', mark: 'x', version: 1 }] },
    { outcome: 'done', parts: batch },
    { outcome: 'failed', parts: [{ operation: 'updated', mark: 'e', id: 1, version: 4 }] },
    { outcome: 'unknown', parts: [{ operation: 'deleted', id: 2, version: 2 }] },
  ]
  const changes = [
    change('created', 1, 1, 'a'),
    change('updated', 1, 2, 'b'),
    change('created', 3, 1, 'x'),
    change('created', 2, 1, 'c'),
    change('updated', 1, 3, 'd'),
    change('deleted', 3, 2, 'x'),
  ]
  const houses = [house(1, 3, 'd'), house(2, 1, 'c')]

  test('finds nothing in what is right, whether what is unknown was done or not', () => {
    expect(violations(writes, changes, houses)).toEqual([])
    expect(violations(writes, [...changes, change('deleted', 2, 2, 'c')], [house(1, 3, 'd')])).toEqual([])
    const others = writes.map((write) => (write.parts === batch ? { ...write, outcome: 'unknown' as const } : write))
    expect(violations(others, changes.slice(0, 3), [house(1, 2, 'b'), house(3, 1, 'x')])).toEqual([])
  })

  const without = (index: number) => changes.toSpliced(index, 1)
  test.each<[what: string, word: string, changes: Change[], houses?: House[]]>([
    ['the last change of a house is lost', 'Lost', [...without(4).slice(0, 1), ...without(4).slice(2)]],
    ['a creation is lost', 'Lost', changes.slice(1)],
    ['a change in the middle is lost', 'Lost', without(1)],
    ['a creation is there twice', 'Doubled', [...changes, change('created', 4, 1, 'a')], [...houses, house(4, 1, 'a')]],
    [
      'a change is there twice',
      'Doubled',
      [...changes, change('updated', 1, 4, 'b')],
      [house(1, 4, 'b'), house(2, 1, 'c')],
    ],
    [
      'a creation without an answer is there twice',
      'Doubled',
      [...changes, change('created', 4, 1, 'x')],
      [...houses, house(4, 1, 'x')],
    ],
    ['a batch lacks its creation', 'Torn', without(3), houses.slice(0, 1)],
    ['a batch lacks its change', 'Torn', without(4), [house(1, 2, 'b'), house(2, 1, 'c')]],
    ['a batch lacks its deletion', 'Torn', without(5), [...houses, house(3, 1, 'x')]],
    [
      'a row has parts of two writes',
      'Torn',
      changes.with(1, { ...change('updated', 1, 2, 'b'), house: { ...house(1, 2, 'b'), city: 'a' } }),
    ],
    [
      'what was reported as failed is there',
      'Done, but',
      [...changes, change('updated', 1, 4, 'e')],
      [house(1, 4, 'e'), house(2, 1, 'c')],
    ],
    [
      'a version is missing',
      'Out of order',
      changes.with(4, change('updated', 1, 4, 'd')),
      [house(1, 4, 'd'), house(2, 1, 'c')],
    ],
    ['versions are not in order', 'Out of order', [changes[0], changes[4], ...without(4).slice(1)] as Change[]],
    [
      'a house changes after its deletion',
      'Out of order',
      [...changes, change('updated', 3, 3, 'y')],
      [...houses, house(3, 3, 'y')],
    ],
    [
      'a write got another id than was answered',
      'Different',
      changes.with(3, change('created', 4, 1, 'c')),
      [house(1, 3, 'd'), house(4, 1, 'c')],
    ],
    [
      'there is a change that nobody made',
      'Nobody wrote',
      [...changes, change('created', 4, 1, 'y')],
      [...houses, house(4, 1, 'y')],
    ],
    ['a house is not as its history says', 'The house', changes, [house(1, 2, 'b'), house(2, 1, 'c')]],
    ['a house is missing', 'The house', changes, [house(1, 3, 'd')]],
    ['a house is there twice', 'The house', changes, [...houses, house(2, 1, 'c')]],
    ['a deleted house is there', 'The house', changes, [...houses, house(3, 1, 'x')]],
  ])('finds that %s', (_what, word, changes, found = houses) => {
    expect(violations(writes, changes, found).map((line) => line.slice(0, word.length))).toContain(word)
  })
})

test.each([
  ['server', 6],
  ['embedded', 2],
] as const)(
  'on the back end %s, whatever breaks, what was acknowledged is there once and whole, and nothing else',
  async (backend, times) => {
    const { env = {} } = backend === 'embedded' ? await embedded() : {}
    const { found, did, faults } = await runChaos({ backend, env, seed: 20261126, times })
    expect(found).toEqual([])
    expect(did.done).toBeGreaterThan(0)
    expect(Object.values(faults).reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(times)
  },
  180_000,
)
