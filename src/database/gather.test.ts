import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { noDatabase } from '../../test/support/api.ts'
import { actingAs } from './actor.ts'
import { setDeadline } from './deadline.ts'
import { ConnectionLost, Overloaded, QueryTimeout, Unreachable } from './errors.ts'
import { gathered, gatherFor } from './gather.ts'

const { db } = noDatabase
gatherFor(db, { longestWait: 60_000 })

/** A question whose batches the test answers: with the keys themselves, or with an error. */
function question(of = db) {
  const sent: { keys: readonly number[]; answer: () => void; fail: (error: Error) => void }[] = []
  const ask = gathered({
    maxBatch: 3,
    alone: async (_db, key: number) => key,
    together: (_db, keys: number[]) =>
      new Promise<number[]>((resolve, fail) => sent.push({ keys, answer: () => resolve([...keys]), fail })),
  })
  return { ask: (key: number, as = of) => ask(as, key), sent, batches: () => sent.map(({ keys }) => keys) }
}

test('questions asked in one turn are sent together at its end', async () => {
  const { ask, sent, batches } = question()
  const answers = [ask(1), ask(2)]
  expect(batches()).toEqual([])
  await turn()
  expect(batches()).toEqual([[1, 2]])
  sent[0]?.answer()
  expect(await Promise.all(answers)).toEqual([1, 2])
})

test('at most two batches are under way, and later questions join the next one, never one that was sent', async () => {
  const { ask, sent, batches } = question()
  const answers = [1, 2, 3, 4, 5, 6, 7, 8].map((key) => ask(key))
  await turn()
  expect(batches()).toEqual([
    [1, 2, 3],
    [4, 5, 6],
  ])
  answers.push(ask(9))
  await turn()
  expect(batches()).toHaveLength(2)
  sent[1]?.answer()
  expect(await Promise.all(answers.slice(3, 6))).toEqual([4, 5, 6])
  await turn()
  expect(batches()[2]).toEqual([7, 8, 9])
  for (const { answer } of sent) answer()
  expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('several callers share the two batches that are under way, and take turns', async () => {
  const { ask, sent, batches } = question()
  const [one, other] = [actingAs(db, { name: 'one' }), actingAs(db, { name: 'other' })]
  const answers = [...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((key) => ask(key, one)), ask(11, other), ask(12)]
  await turn()
  expect(batches()).toHaveLength(2)
  sent[0]?.answer()
  await Promise.all(answers.slice(0, 3))
  expect(batches()).toHaveLength(3)
  sent[2]?.answer()
  await Promise.all(answers.slice(6, 9))
  sent[3]?.answer()
  await answers[10]
  sent[4]?.answer()
  await answers[11]
  for (const { answer } of sent) answer()
  expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  expect(batches()).toEqual([[1, 2, 3], [4, 5, 6], [7, 8, 9], [11], [12], [10]])
})

test.each([
  new ConnectionLost(new QueryTimeout(5000)),
  new Unreachable(new Error('connect ECONNREFUSED')),
  new Overloaded(),
  Object.assign(new Error('canceling statement due to statement timeout'), { severity: 'ERROR', code: '57014' }),
])('if the database hangs (%s), waiting questions fail at once', async (error) => {
  const { ask, sent, batches } = question()
  const answers = [1, 2, 3, 4, 5, 6, 7, 8].map((key) => ask(key).catch((reason) => reason))
  await turn()
  sent[0]?.fail(error)
  expect(await Promise.all(answers.slice(0, 3))).toEqual([error, error, error])
  expect(await Promise.all(answers.slice(6))).toEqual([expect.any(Overloaded), expect.any(Overloaded)])
  const next = ask(9)
  await turn()
  expect(batches().slice(2)).toEqual([[9]])
  for (const { answer } of sent) answer()
  expect(await Promise.all([...answers.slice(3, 6), next])).toEqual([4, 5, 6, 9])
})

test('whoever has waited too long for a lane is rejected, and the others are asked', async () => {
  const impatient = db.withoutPlugins()
  gatherFor(impatient, { longestWait: 50 })
  const { ask, sent, batches } = question(impatient)
  const answers = [1, 2, 3, 4, 5, 6, 7].map((key) => ask(key).catch((reason) => reason))
  await sleep(100)
  answers.push(ask(8))
  sent[0]?.answer()
  await answers[0]
  await turn()
  for (const { answer } of sent) answer()
  expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5, 6, expect.any(Overloaded), 8])
  expect(batches()).toEqual([[1, 2, 3], [4, 5, 6], [8]])
})

test('what the first of a batch has waited is taken from the time for its statement', async () => {
  const untils: number[] = []
  const patient = db.withoutPlugins()
  gatherFor(patient, { longestWait: 60_000 })
  const endingBy = (until: number) => {
    untils.push(until)
    return patient
  }
  setDeadline(patient, { deadline: 5000, endingBy })
  const { ask, sent } = question(patient)
  const earliest = performance.now()
  const answers = [1, 2, 3, 4, 5, 6, 7].map((key) => ask(key))
  const latest = performance.now()
  await sleep(latest - earliest + 10)
  answers.push(ask(8))
  for (let batch = 0; batch < 3; batch++) {
    sent[batch]?.answer()
    await turn()
  }
  expect(await Promise.all(answers)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  expect(untils).toHaveLength(3)
  expect(Math.min(...untils)).toBeGreaterThanOrEqual(earliest + 5000)
  expect(Math.max(...untils)).toBeLessThanOrEqual(latest + 5000)
})

test('if one batch fails, waiting questions are still asked', async () => {
  const { ask, sent } = question()
  const answers = [1, 2, 3, 4, 5, 6, 7].map((key) => ask(key).catch((reason) => reason))
  await turn()
  const error = new ConnectionLost(new Error('Connection terminated unexpectedly'))
  sent[0]?.fail(error)
  await answers[0]
  await turn()
  for (const { answer } of sent) answer()
  expect(await Promise.all(answers)).toEqual([error, error, error, 4, 5, 6, 7])
})
