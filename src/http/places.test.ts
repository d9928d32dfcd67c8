import { expect, test } from 'vitest'
import { Turns } from './places.ts'

test('whoever has left gets no turn, whether before it waits or while it does, and the next one does', async () => {
  const turns = new Turns(1)
  const later = performance.now() + 60_000
  const otherwise = () => 'none'
  const run = (work: string, signal?: AbortSignal) => turns.run(() => work, { until: later, signal, otherwise })
  expect(turns.enter(later)).toBe(true)
  expect(await run('left', AbortSignal.abort())).toBe('none')
  const leaving = new AbortController()
  const [left, next] = [run('left', leaving.signal), run('next')]
  leaving.abort()
  expect(await left).toBe('none')
  turns.leave()
  expect(await next).toBe('next')
  expect(await run('left', AbortSignal.abort())).toBe('none') // nor if it need not wait
  expect(turns.isIdle).toBe(true)
})

test('a turn ends with its work, also where that fails', async () => {
  const turns = new Turns(1)
  const failing = turns.run(() => Promise.reject(new Error('failed')), {
    until: performance.now() + 60_000,
    otherwise: () => 'none',
  })
  await expect(failing).rejects.toThrow('failed')
  expect(turns.isIdle).toBe(true)
})
