import { expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { library, listen } from '../../test/support/http.ts'
import { type ConnectionOptions, NetworkError, SampleApi } from '../src/index.ts'
import { answered, broken, clientBehind, cut, type Fault, instead, lost, passed, problem, silent } from './gateway.ts'

const { app } = await startApi()
const port = await listen(app)
const direct = new SampleApi({ url: `http://127.0.0.1:${port}` })

const behind = (faults: Fault[], options?: ConnectionOptions) => clientBehind(port, faults, options)

async function houses() {
  const found = []
  for await (const house of direct.housing.list()) found.push(house)
  return found
}

const passing: [string, Fault][] = [
  ['a connection that breaks', broken],
  ['an answer that is lost', lost()],
  ['an answer that is cut', cut],
  ...[408, 429, 502, 503, 504].map((status): [string, Fault] => [`a ${status} of a gateway`, answered(status)]),
  ['a 429 of the API', problem(429, 'too-many-requests', { 'retry-after': '0' })],
  ['a 503 of the API', problem(503, 'unavailable')],
]

test.each(passing)('after %s a request is sent again', async (_, fault) => {
  await direct.housing.create(library)
  const { api, gateway } = await behind([fault])
  expect(await api.housing.get(1)).toMatchObject({ id: 1, version: 1 })
  expect(gateway.requests).toHaveLength(2)
})

test.each([
  ['a connection that breaks', broken],
  ['an answer that is lost', lost()],
  ['an answer that is cut', cut],
  ['an answer in place of which a gateway sends a 502', instead(answered(502))],
  ['an outcome that is unknown', instead(problem(503, 'outcome-unknown'))],
])('after %s nothing is done twice', async (_, fault) => {
  const { api, gateway } = await behind([fault])
  const { housing } = api
  const again = () => gateway.faults.push(fault)
  const expectOneKey = () => {
    const keys = gateway.requests.splice(0).map(({ headers }) => headers['idempotency-key'])
    expect(keys).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/), keys[0]])
    return keys[0]
  }
  await housing.create(library)
  const first = expectOneKey()
  again()
  expect(await housing.batch([{ op: 'create', house: library }])).toMatchObject([{ id: 2 }])
  expect(expectOneKey()).not.toBe(first)
  again()
  expect(await housing.import(new Blob([JSON.stringify(library)]), { type: 'application/x-ndjson' })).toMatchObject({
    created: 1,
  })
  expectOneKey()
  const { import_id = '' } = await housing.import([library], { dryRun: true })
  gateway.requests.splice(0)
  again()
  await housing.applyImport(import_id)
  expectOneKey()
  expect(await houses()).toHaveLength(4)

  again()
  expect(await housing.patch({ id: 1, version: 1 }, { city: ' Oak Bay ' })).toMatchObject({ version: 2 })
  again()
  expect(await housing.replace({ id: 1, version: 2 }, { ...library, postal_code: 'v8v-1a1' })).toMatchObject({
    postal_code: 'V8V 1A1',
    version: 3,
  })
  again()
  await housing.remove({ id: 1, version: 3 })
  again()
  expect(await housing.restore(1, 1)).toMatchObject({ version: 5 })
  again()
  expect(await api.housingTypes.put({ code: 'ZZZ', description: ' New ' }, { isNew: true })).toEqual({
    code: 'ZZZ',
    description: 'New',
  })
  gateway.faults.push(passed, fault) // it is read first
  const [old, renamed] = [
    { code: 'ZZZ', description: 'New' },
    { code: 'ZZZ', description: 'Newer' },
  ]
  expect(await api.housingTypes.put(renamed, { of: old })).toEqual(renamed)
  gateway.faults.push(passed, fault) // it is read first
  await api.housingTypes.remove('ZZZ', { of: renamed })
  await api.housingTypes.put(renamed)
  again()
  await api.housingTypes.remove('ZZZ')
  expect((await api.housingTypes.list()).map(({ code }) => code)).not.toContain('ZZZ')
})

test('after a lost answer the history says whose the next version is', async () => {
  const { id } = await direct.housing.create(library)
  const others = (version: number, city: string) => direct.housing.patch({ id, version }, { city })
  const longer = ({ address }: { address: string }) => ({ address: `${address}!` })
  const { api, gateway } = await behind([passed, lost()])
  expect(await api.housing.update(id, longer)).toMatchObject({ address: '735!', version: 2 })
  gateway.faults.push(
    passed,
    lost(() => others(3, 'Saanich')),
  )
  expect(await api.housing.update(id, longer)).toMatchObject({ address: '735!!', city: 'Victoria', version: 3 })
  gateway.faults.push(passed, async (answer) => {
    await others(4, 'Oak Bay')
    answer.destroy()
  })
  expect(await api.housing.update(id, longer)).toMatchObject({ address: '735!!!', city: 'Oak Bay', version: 6 })
  gateway.faults.push(lost(() => direct.housing.restore(id, 1)))
  await api.housing.remove({ id, version: 6 })
  expect(await direct.housing.get(id)).toMatchObject({ version: 8 })
  gateway.faults.push(lost(() => direct.housing.remove({ id, version: 9 })))
  expect(await api.housing.patch({ id, version: 8 }, { city: 'Here' })).toMatchObject({ city: 'Here', version: 9 })
})

test('where somebody else has changed the house after a lost request, the caller learns of it', async () => {
  const { id } = await direct.housing.create(library)
  const { api, gateway } = await behind([])
  const others = (version: number, changes: object) =>
    gateway.faults.push(async (answer) => {
      await direct.housing.patch({ id, version }, changes)
      answer.destroy()
    })
  const failure = { code: 'precondition-failed', status: 412, uncertain: false }
  others(1, { city: 'Elsewhere' })
  await expect(api.housing.patch({ id, version: 1 }, { city: 'Here' })).rejects.toMatchObject(failure)
  others(2, { address: '1' })
  await expect(api.housing.patch({ id, version: 2 }, { city: 'Elsewhere' })).rejects.toMatchObject(failure)
  others(3, { address: '2' })
  await expect(api.housing.replace({ id, version: 3 }, library)).rejects.toMatchObject(failure)
  others(4, { address: '3' })
  await expect(api.housing.remove({ id, version: 4 })).rejects.toMatchObject({ ...failure, currentVersion: 5 })
  await expect(api.housing.remove({ id: 99, version: 1 })).rejects.toMatchObject({ code: 'not-found' })
})

test('a problem says where an earlier attempt may have taken effect', async () => {
  const { api } = await behind([lost(), problem(503, 'unavailable')], { retries: 1 })
  await expect(api.housing.create(library)).rejects.toMatchObject({ code: 'unavailable', uncertain: true })
  expect(await houses()).toHaveLength(1)
})

test('a stream is not sent twice', async () => {
  const { api, gateway } = await behind([broken, answered(503)])
  async function* file() {
    yield Buffer.from(`${JSON.stringify(library)}\n`)
    yield Buffer.from(`${JSON.stringify(library)}\n`)
  }
  const type = 'application/x-ndjson'
  await expect(api.housing.import(file(), { type })).rejects.toThrow(NetworkError)
  await expect(api.housing.import(file(), { type })).rejects.toMatchObject({ status: 503, code: 'unexpected-answer' })
  expect(gateway.requests).toHaveLength(2)
  expect(await api.housing.import(file(), { type })).toMatchObject({ created: 2 })
})

test('a key of the program repeats a call whose outcome it does not know', async () => {
  const { api } = await behind([lost()], { retries: 0 })
  await expect(api.housing.create(library, { key: 'mine' })).rejects.toThrow(NetworkError)
  expect(await api.housing.create(library, { key: 'mine' })).toMatchObject({ id: 1 })
  expect(await houses()).toHaveLength(1)
})

test('retries have an end', async () => {
  const { api, gateway } = await behind(Array(9).fill(broken), { retries: 2 })
  await expect(api.housing.get(1)).rejects.toThrow(/^No answer from http:.*\/api\/v2\/housing\/1: fetch failed: /)
  expect(gateway.requests).toHaveLength(3)
  gateway.faults.splice(0, 9, ...Array(9).fill(problem(503, 'unavailable')))
  await expect(api.housingTypes.list()).rejects.toMatchObject({ code: 'unavailable' })
  expect(gateway.requests).toHaveLength(6)
  gateway.close()
  await expect(api.housing.get(1)).rejects.toThrow(/ECONNREFUSED/)
})

test('what cannot help is not repeated', async () => {
  const { api, gateway } = await behind([problem(500, 'internal-error'), answered(404), answered(200)])
  await expect(api.housing.get(1)).rejects.toMatchObject({ code: 'internal-error', status: 500 })
  await expect(api.housing.get(1)).rejects.toMatchObject({ code: 'unexpected-answer', status: 404 })
  await expect(api.housing.get(1)).rejects.toMatchObject({ code: 'unexpected-answer', status: 200 })
  await expect(api.housing.get(1)).rejects.toMatchObject({ code: 'not-found', status: 404 })
  await expect(api.housing.list({ limit: 0 }).pages().next()).rejects.toMatchObject({
    code: 'invalid-parameter',
    errors: [{ parameter: 'limit' }],
  })
  expect(gateway.requests).toHaveLength(5)
})

test('Retry-After is waited for, as seconds or as a date, unless it is long', async () => {
  const soon = () => new Date(Date.now() + 2000).toUTCString()
  const { api, gateway } = await behind([problem(429, 'too-many-requests', { 'retry-after': '1' })])
  const begun = performance.now()
  await api.housingTypes.list()
  expect(performance.now() - begun).toBeGreaterThan(990)
  gateway.faults.push((answer, forward) => answered(503, { 'retry-after': soon() })(answer, forward))
  await api.housingTypes.list()
  expect(performance.now() - begun).toBeGreaterThan(1980)
  gateway.faults.push(problem(503, 'unavailable', { 'retry-after': '3600' }))
  await expect(api.housingTypes.list()).rejects.toMatchObject({ code: 'unavailable', retryAfter: 3600 })
})

test('each attempt has its time', async () => {
  const half: Fault = (answer) => answer.writeHead(200, { 'content-type': 'application/json' }).write('{"items":')
  const { api, gateway } = await behind([silent, half], { timeout: 300, retries: 1 })
  const late = { name: 'NetworkError', cause: { name: 'TimeoutError' } }
  await expect(api.housingTypes.list()).rejects.toMatchObject(late)
  expect(gateway.requests).toHaveLength(2)
  gateway.faults.push(silent)
  const patient = new SampleApi({ url: gateway.url, retries: 0 })
  await expect(patient.housing.get(1, { timeout: 200 })).rejects.toMatchObject(late)
})

test('a signal ends whatever goes on, and its reason is what is thrown', async () => {
  await direct.housing.import(Array(10).fill(library))
  const { api, gateway } = await behind([])
  const { housing } = api
  const reason = new Error('enough')
  const ended = async (call: (signal: AbortSignal) => Promise<unknown>, until: () => unknown) => {
    const over = new AbortController()
    const failure = call(over.signal).catch((error: unknown) => error)
    await expect.poll(until).toBeTruthy()
    over.abort(reason)
    expect(await failure).toBe(reason)
  }
  const asked = (count: number) => () => gateway.requests.length === count
  gateway.faults.push(silent)
  await ended((signal) => housing.get(1, { signal }), asked(1))
  gateway.faults.push(silent)
  await ended((signal) => housing.create(library, { signal }), asked(2))
  gateway.faults.push(problem(503, 'unavailable', { 'retry-after': '29' }))
  await ended((signal) => housing.get(1, { signal }), asked(3))
  const after = await direct.housing.position()
  await ended(
    async (signal) => {
      for await (const _ of housing.changes({ after }, { signal }));
    },
    () => gateway.open === 1,
  )
  let rows = 0
  await ended(
    async (signal) => {
      for await (const _ of housing.list({ limit: 1 }, { signal })) if (++rows === 3) gateway.faults.push(silent)
    },
    () => rows === 3 && gateway.open === 1,
  )
  let sent = 0
  async function* endless() {
    for (; ; sent++) {
      yield Buffer.from(`${JSON.stringify(library)}\n`)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await ended(
    (signal) => housing.import(endless(), { type: 'application/x-ndjson', signal }),
    () => sent > 100,
  )
  const file = new AbortController()
  const { body } = await housing.export({}, { signal: file.signal })
  file.abort(reason)
  await expect(body?.getReader().read()).rejects.toBe(reason)
  await expect(housing.get(1, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  await expect(housing.get(1, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' })
})

test('a key that is in use is waited for', async () => {
  const { api } = await behind([instead(problem(409, 'idempotency-key-in-use', { 'retry-after': '0' }))])
  expect(await api.housing.create(library)).toMatchObject({ id: 1 })
  expect(await houses()).toHaveLength(1)
})
