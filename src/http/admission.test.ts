import { setImmediate as turn } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { noDatabase, optionsFor } from '../../test/support/api.ts'
import { leave } from './admission.ts'
import { createApp } from './app.ts'
import { acceptStrictJson } from './body.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

/** A service whose requests are in progress until the test answers them. */
async function service({ connections = 3000 } = {}) {
  const app = createApp({ ...optionsFor(noDatabase), connections })
  const inProgress: { url: string; request: FastifyRequest; answer: () => void }[] = []
  const handler = (request: FastifyRequest) =>
    new Promise<object>((resolve) => inProgress.push({ url: request.url, request, answer: () => resolve({}) }))
  const config = { scope: 'housing:read' } as const
  const isSlow = ({ query }: FastifyRequest) => 'q' in (query as object)
  acceptStrictJson(app)
  app.get('/houses', { config: { ...config, isSlow } }, handler)
  app.get('/other', { config: { ...config, isShared: () => true } }, handler)
  app.get('/slow', { config: { ...config, isSlow: () => true } }, handler)
  app.get('/probe', handler)
  app.post('/houses', { config }, handler)
  app.post('/houses/batch', { config: { ...config, isSlow: () => true } }, handler)
  app.patch('/houses/:id', { config }, handler)
  app.delete('/houses/:id', { config }, handler)
  await app.ready()
  onTestFinished(() => app.close())
  const send = (method: 'GET' | 'HEAD' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: string, headers = {}) =>
    app.inject({
      method,
      url,
      headers: { ...(payload !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(payload !== undefined && { payload }),
    })
  /** Sends so many, and resolves once each of them is in progress, waits, or is answered. */
  const sendMany = async (count: number, ...request: Parameters<typeof send>) => {
    const answers = Array.from({ length: count }, () => send(...request))
    const done: Awaited<(typeof answers)[0]>[] = []
    for (const answer of answers) void answer.then((each) => done.push(each))
    await settled()
    return { answers, done }
  }
  /** Answers the oldest one. */
  const answerNext = async () => {
    inProgress.shift()?.answer()
    await settled()
  }
  /** Sends requests one after the other, and answers each after so many milliseconds, until that is known as their pace. */
  const answerEvery = async (milliseconds: number, url: string) => {
    for (let n = 0; n < 1500; n++) {
      const answer = send('GET', url)
      while (inProgress.length === 0) await turn()
      vi.advanceTimersByTime(milliseconds)
      inProgress.pop()?.answer()
      await answer
    }
  }
  return { send, sendMany, inProgress, answerNext, answerEvery, urls: () => inProgress.map(({ url }) => url) }
}

/** Lets everything happen that does not wait for a timer or the test. */
async function settled() {
  for (let turns = 0; turns < 50; turns++) await turn()
}

const houses = '/houses'
const isRejected = { statusCode: 503, headers: { 'retry-after': '1' } }

test.each([
  ['a slow read every millisecond', '/slow', 1, 151],
  ['an answer every hundred milliseconds', houses, 100, 300],
  ['an answer that takes no time', houses, 0, 1000],
  ['a slow read every hundred milliseconds', '/slow', 100, 10],
])('with %s as many requests are admitted as can be answered soon', async (_pace, url, milliseconds, admitted) => {
  const { sendMany, inProgress, answerEvery } = await service()
  await answerEvery(milliseconds, url)
  const { answers, done } = await sendMany(admitted + 10, 'GET', url)
  expect(inProgress).toHaveLength(admitted)
  expect(done).toHaveLength(10)
  for (const answer of done) expect(answer).toMatchObject(isRejected)
  expect((await sendMany(1, 'GET', '/other')).done).toEqual([])
  for (const { answer } of inProgress) answer()
  await Promise.all(answers)
  expect((await sendMany(1, 'GET', url)).done).toEqual([])
})

test('of slow reads more are admitted once none was rejected for a second', async () => {
  const { sendMany, inProgress, answerNext, answerEvery } = await service()
  await answerEvery(100, '/slow')
  expect((await sendMany(11, 'GET', '/slow')).done).toMatchObject([isRejected])
  while (inProgress.length > 4) await answerNext()
  expect((await sendMany(2, 'GET', '/slow')).done).toMatchObject([isRejected])
  vi.advanceTimersByTime(1001)
  expect((await sendMany(6, 'GET', '/slow')).done).toMatchObject([isRejected])
})

test('a request that is rejected is neither parsed nor validated, and probes are exempt', async () => {
  const { send, sendMany } = await service()
  expect((await send('POST', houses, '{')).statusCode).toBe(400)
  await sendMany(1000, 'POST', houses, '{}')
  const rejected = await send('POST', houses, '{')
  expect(rejected).toMatchObject(isRejected)
  expect(rejected.json()).toMatchObject({ code: 'unavailable', request_id: expect.any(String) })
  expect((await sendMany(1, 'GET', '/probe')).done).toEqual([])
})

test('what takes minutes leaves its place to others, once', async () => {
  const { sendMany, inProgress, answerNext } = await service()
  const { answers } = await sendMany(1000, 'GET', '/other')
  for (const { request } of inProgress) leave(request)
  while (inProgress.length > 0) await answerNext()
  await Promise.all(answers)
  const { done } = await sendMany(1001, 'GET', '/other')
  expect(done).toHaveLength(1)
})

test('changes of one resource take turns, for a second at most, and others go on', async () => {
  const { sendMany, urls, answerNext } = await service()
  const first = await sendMany(3, 'PATCH', '/houses/1', '{}')
  const second = await sendMany(2, 'DELETE', '/houses/1?x')
  expect(urls()).toEqual(['/houses/1'])
  await sendMany(1, 'PATCH', '/houses/2', '{}')
  expect(urls()).toEqual(['/houses/1', '/houses/2'])
  await answerNext()
  expect(urls()).toEqual(['/houses/2', '/houses/1'])
  vi.advanceTimersByTime(1000)
  await settled()
  expect(first.done).toMatchObject([{ statusCode: 200 }, isRejected])
  expect(second.done).toMatchObject([isRejected, isRejected])
  await answerNext()
  await answerNext()
  expect(first.done).toHaveLength(3)
  await sendMany(1, 'DELETE', '/houses/1')
  expect(urls()).toEqual(['/houses/1'])
})

test('a request that needs two turns waits for both together no longer than a second', async () => {
  const { sendMany, urls, answerNext } = await service({ connections: 3 })
  await sendMany(1, 'PATCH', '/houses/1', '{}')
  const { done } = await sendMany(1, 'PATCH', '/houses/1', '{}')
  await sendMany(1, 'PATCH', '/houses/2', '{}')
  vi.advanceTimersByTime(600)
  await answerNext()
  expect(urls()).toEqual(['/houses/2']) // so the other one has its house, and waits for its turn among all changes
  vi.advanceTimersByTime(399)
  await settled()
  expect(done).toEqual([])
  vi.advanceTimersByTime(1)
  await settled()
  expect(done).toMatchObject([isRejected])
})

test('of those that wait for a turn, there are only so many', async () => {
  const { sendMany, urls } = await service()
  const { done } = await sendMany(103, 'PATCH', '/houses/1', '{}')
  expect(urls()).toHaveLength(1)
  expect(done).toMatchObject([isRejected, isRejected])
})

test.each([
  ['changes, of whatever resources,', 'PATCH', '/houses/$n', '/houses/batch', {}],
  ['reads, HEAD or GET,', 'GET', '/houses?$n', '/houses', {}],
  ['slow reads, HEAD or GET,', 'GET', '/houses?q=$n', '/houses?q', {}],
  ['additions with an Idempotency-Key', 'POST', '/houses?$n', '/houses', { 'idempotency-key': 'a' }],
] as const)('%s hold at most a third of the connections', async (_what, method, each, last, headers) => {
  const held = 2
  const { sendMany, urls, answerNext } = await service({ connections: 6 })
  const body = method === 'GET' ? undefined : '{}'
  for (let n = 1; n <= held; n++) await sendMany(1, method, each.replace('$n', `${n}`), body, headers)
  await sendMany(1, method === 'GET' ? 'HEAD' : 'POST', last, body, headers)
  expect(urls()).toHaveLength(held)
  await sendMany(20, 'GET', '/other') // they share a connection
  await sendMany(20, 'POST', '/houses', '{}')
  expect(urls()).toHaveLength(held + 40)
  await answerNext()
  expect(urls().at(-1)).toBe(last)
})
