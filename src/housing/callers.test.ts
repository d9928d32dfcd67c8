import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { appWithCallers } from '../../test/support/callers.ts'
import { client, expectProblem, library as house } from '../../test/support/http.ts'

const { db, database } = await startApi()
const app = await appWithCallers(database)
afterAll(() => app.close())

const api = client(app)
const housing = '/api/v2/housing'
const callers = ['key:7f3a9c01', 'sub:o\'Neill "\\$1"', null]
const from = (caller: string | null) => ({ 'if-match': '*', ...(caller !== null && { caller }) })

const inBatch = async (operation: object, headers: Record<string, string>) => {
  const answer = await api.post(`${housing}/batch`, { operations: [operation] }, headers)
  return answer.json().results[0]
}

/** Who wrote the versions of a house, and how, the newest first. */
async function writes(id: number): Promise<[string, string | null][]> {
  const { items } = (await api.get(`${housing}/${id}/versions`)).json()
  return items.map(({ operation, by }: { operation: string; by: string | null }) => [operation, by])
}

test.each([
  ['without a key', () => ({})],
  ['with a key', () => ({ 'idempotency-key': randomUUID() })],
])('the history names the caller of every kind of write, %s', async (_, key: () => object) => {
  for (const caller of callers) {
    const others = callers.filter((other) => other !== caller)
    const headers = () => ({ ...from(caller), ...key() })
    const { id } = (await api.post(housing, house, headers())).json()
    const one = `${housing}/${id}`
    const restore = (version: number) => api.send('POST', `${one}/versions/${version}/restore`, undefined, headers())
    /** Between two writes of the caller, so that no name can be left over from the one before. */
    const byOthers = async () => {
      for (const other of others) await api.patch(one, { street: `${other}` }, from(other))
    }
    const acts = [
      () => api.put(one, { ...house, city: 'Oak Bay' }, headers()),
      () => api.patch(one, { city: 'Saanich' }, headers()),
      () => inBatch({ op: 'update', id, version: 9, house: { city: 'Esquimalt' } }, headers()),
      () => restore(1),
      async () => {
        await api.delete(one, headers())
        await restore(1)
      },
    ]
    for (const act of acts) {
      await byOthers()
      await act()
    }
    await inBatch({ op: 'delete', id, version: 17 }, headers())
    const expected = ['created', 'updated', 'updated', 'updated', 'restored', 'deleted'].flatMap((operation, i) => [
      ...(i === 0 ? [] : others.map((other) => ['updated', other])),
      [operation, caller],
    ])
    expect(await writes(id)).toEqual([...expected, ['restored', caller], ['deleted', caller]].reverse())

    const created = await inBatch({ op: 'create', house }, headers())
    expect(await writes(created.id)).toEqual([['created', caller]])
  }
})

test('a request that changes nothing is not in the history', async () => {
  await api.post(housing, house, from('key:first'))
  expect((await api.patch(`${housing}/1`, {}, from('key:second'))).json()).toMatchObject({ ...house, version: 1 })
  const stale = { ...from('key:third'), 'if-match': '"1-2"' }
  expectProblem(await api.delete(`${housing}/1`, stale), 412, 'precondition-failed')
  expect(await writes(1)).toEqual([['created', 'key:first']])
})

test('callers who write at the same time are never taken for each other', async () => {
  const posts = Array.from({ length: 150 }, (_, i) => {
    // Some houses are of an unknown type, so that Postgres rejects them within a batch.
    const wrong = i % 17 === 0
    const body = { ...house, address: `${i % 3}`, housing_type: wrong ? 'TNH' : 'SFD' }
    return api
      .post(housing, body, from(callers[i % 3] ?? null))
      .then(({ statusCode }) => [statusCode, wrong ? 422 : 201])
  })
  for (const [status, expected] of await Promise.all(posts)) expect(status).toBe(expected)
  const { rows } = await sql<{ address: number; by: string | null }>`
    select address::int, by from housing.changes`.execute(db)
  expect(rows).toHaveLength(150 - 9)
  for (const { address, by } of rows) expect(by).toBe(callers[address])
})

test('a statement that Postgres gives up, and that is sent again, names its caller', async () => {
  await sql`create sequence public.attempts`.execute(db)
  await sql`
    create function public.give_up() returns trigger language plpgsql security definer as $$
    begin
      if nextval('public.attempts') % 2 = 1 then raise serialization_failure; end if;
      return coalesce(new, old);
    end $$`.execute(db)
  await sql`create trigger give_up before insert or update or delete on housing.housing
    for each row execute function public.give_up()`.execute(db)
  onTestFinished(async () => {
    await sql`drop function public.give_up cascade`.execute(db)
    await sql`drop sequence public.attempts`.execute(db)
  })
  const [first, second] = ['key:first', 'key:second'].map(from) as [object, object]
  const { id } = (await api.post(housing, house, { ...first })).json()
  await api.patch(`${housing}/${id}`, { city: 'Oak Bay' }, { ...second })
  await inBatch({ op: 'update', id, version: 2, house: { city: 'Saanich' } }, { ...first })
  await api.delete(`${housing}/${id}`, { ...second })
  await api.send('POST', `${housing}/${id}/versions/1/restore`, undefined, { ...first, 'idempotency-key': 'x' })
  expect(await writes(id)).toEqual([
    ['restored', 'key:first'],
    ['deleted', 'key:second'],
    ['updated', 'key:first'],
    ['updated', 'key:second'],
    ['created', 'key:first'],
  ])
  const { rows } = await sql<{ n: string }>`select last_value as n from public.attempts`.execute(db)
  expect(Number(rows[0]?.n)).toBe(10)
})

test('an Idempotency-Key belongs to the caller who sent it', async () => {
  const send = (caller: string | null, city: string) =>
    api.post(housing, { ...house, city }, { ...from(caller), 'idempotency-key': 'the-same' })
  const first = []
  for (const caller of callers) {
    const answer = await send(caller, `${caller}`)
    expect(answer.statusCode, answer.body).toBe(201)
    expect(answer.headers['idempotency-replayed']).toBeUndefined()
    first.push(answer)
  }
  expect(first.map((answer) => answer.json().city)).toEqual(callers.map(String))
  for (const [i, caller] of callers.entries()) {
    const again = await send(caller, `${caller}`)
    expect(again.headers['idempotency-replayed']).toBe('true')
    expect(again.body).toBe(first[i]?.body)
    expectProblem(await send(caller, 'elsewhere'), 422, 'idempotency-key-reused')
  }
})

test('callers who send the same key at the same time do not wait for each other', async () => {
  const names = Array.from({ length: 20 }, (_, i) => (i === 0 ? null : `key:${i}`))
  const answers = await Promise.all(
    names.map((name) => api.post(housing, house, { ...from(name), 'idempotency-key': 'the-same' })),
  )
  expect(answers.map(({ statusCode }) => statusCode)).toEqual(names.map(() => 201))
  for (const [i, answer] of answers.entries()) expect(await writes(answer.json().id)).toEqual([['created', names[i]]])
})

test('an answer that has expired is deleted, and those that other callers have for the key stay', async () => {
  const send = (caller: string | null) => api.post(housing, house, { ...from(caller), 'idempotency-key': 'the-same' })
  for (const caller of callers) await send(caller)
  await sql`update housing.idempotency_keys set created_at = now() - interval '24 hours'
    where caller = ${callers[0]}`.execute(db)
  expect((await send(callers[0] ?? null)).headers['idempotency-replayed']).toBeUndefined()
  for (const caller of callers) expect((await send(caller)).headers['idempotency-replayed']).toBe('true')
  const { rows } = await sql<{ caller: string }>`select caller from housing.idempotency_keys`.execute(db)
  expect(rows.map(({ caller }) => caller).sort()).toEqual(callers.map((caller) => caller ?? '').sort())
})
