import { expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { library, listen } from '../../test/support/http.ts'
import { type ConnectionOptions, type HousingChange, SampleApi } from '../src/index.ts'
import { answered, broken, clientBehind, type Fault, problem } from './gateway.ts'

const { app } = await startApi()
const port = await listen(app)
const direct = new SampleApi({ url: `http://127.0.0.1:${port}` })

async function behind(faults: Fault[], options?: ConnectionOptions) {
  const { gateway, api } = await clientBehind(port, faults, options)
  return { gateway, api, accepts: () => gateway.requests.map(({ headers }) => headers.accept) }
}

/** The ids of the next so many changes; `seen` is called with each. */
async function take(changes: AsyncIterable<HousingChange>, count: number, seen: (id: number) => unknown = () => {}) {
  const ids: number[] = []
  for await (const { id } of changes) {
    ids.push(id)
    await seen(id)
    if (ids.length === count) break
  }
  return ids
}

const add = () => direct.housing.create(library)
const events = 'text/event-stream'

test('changes are followed over broken connections, each once and in order', async () => {
  const { api, gateway, accepts } = await behind([])
  const connections: boolean[] = []
  const changes = api.housing.changes({}, { onConnection: (isConnected) => connections.push(isConnected) })
  const faults = [broken, problem(503, 'unavailable'), answered(502), answered(200, { 'content-type': events }, '')]
  await add()
  const ids = await take(changes, 5, async () => {
    gateway.faults.push(...faults.splice(0, 1))
    gateway.breakAll()
    await add()
  })
  expect(ids).toEqual([1, 2, 3, 4, 5])
  expect(new Set(accepts())).toEqual(new Set([events]))
  expect(connections.slice(0, 3)).toEqual([true, false, true])
  await expect.poll(() => gateway.open).toBe(0)
})

test('another loop goes on behind the last change that was dealt with', async () => {
  await direct.housing.import(Array(5).fill(library))
  const changes = direct.housing.changes()
  expect(await take(changes, 3)).toEqual([1, 2, 3])
  expect(changes.position).toBe(2)
  expect(await take(changes, 1)).toEqual([3])
  expect(await take(direct.housing.changes({ after: 4 }), 1)).toEqual([5])
})

test('filters choose the changes', async () => {
  await direct.housing.import([library, { ...library, housing_type: 'SFD' }, library])
  expect(await take(direct.housing.changes({ housing_type: 'SFD' }), 1)).toEqual([2])
  expect(await take(direct.housing.changes({ id: 3 }), 1)).toEqual([3])
})

/** A proxy that keeps an answer until it ends: the events do not come. */
const buffering: Fault = () => {}
/** One that lets the headers through. */
const headersOnly: Fault = (answer) => answer.writeHead(200, { 'content-type': events }).flushHeaders()

test.each([
  ['keeps the events back', buffering],
  ['keeps all but the headers back', headersOnly],
  ['has another answer', answered(200)],
])('where a proxy %s, the client asks instead', async (_, fault) => {
  const { api, accepts } = await behind([fault], { timeout: 500 })
  await add()
  const ids = await take(api.housing.changes(), 3, add)
  expect(ids).toEqual([1, 2, 3])
  expect(accepts()[0]).toBe(events)
  expect(accepts().slice(1).length).toBeGreaterThan(0)
  expect(new Set(accepts().slice(1))).toEqual(new Set(['application/json']))
})

test('where asking fails, the client listens again', async () => {
  const { api, gateway, accepts } = await behind([buffering], { timeout: 500 })
  await add()
  const ids = await take(api.housing.changes(), 3, async () => {
    gateway.faults.push(broken)
    gateway.breakAll()
    await add()
  })
  expect(ids).toEqual([1, 2, 3])
  expect(accepts().at(-1)).toBe(events)
})

test('a position that the feed does not have ends the loop', async () => {
  await add()
  const lost = take(direct.housing.changes({ after: 999 }), 1)
  await expect(lost).rejects.toMatchObject({ name: 'Problem', code: 'position-gone', status: 410 })
})

test('a feed that was never connected gives up, as other calls do', async () => {
  const { api, gateway } = await behind([], { retries: 1 })
  gateway.close()
  await expect(take(api.housing.changes(), 1)).rejects.toMatchObject({ name: 'NetworkError' })
})
