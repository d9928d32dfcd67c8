import fc from 'fast-check'
import { sql } from 'kysely'
import { describe, expect, test } from 'vitest'
import { startApi } from '../../../test/support/api.ts'
import { client, expectProblem, library } from '../../../test/support/http.ts'
import type { Housing } from '../schemas.ts'
import type { HousingVersion } from './schemas.ts'

const { app, db } = await startApi()
const api = client(app)

const members = ['address', 'street', 'city', 'postal_code', 'housing_type'] as const
const create = async (house: object = {}) => (await api.post('/api/v2/housing', { ...library, ...house })).json()
const any = { 'if-match': '*' }
const change = async (house: object, id = 1) => (await api.patch(`/api/v2/housing/${id}`, house, any)).json()
const restore = (version: number, headers: Record<string, string> = {}, id = 1) =>
  api.send('POST', `/api/v2/housing/${id}/versions/${version}/restore`, undefined, headers)
const history = async (id = 1, query = ''): Promise<{ items: HousingVersion[]; next: string | null }> =>
  (await api.get(`/api/v2/housing/${id}/versions${query}`)).json()
const asOf = (instant: string | number, id = 1) =>
  api.get(`/api/v2/housing/${id}?as_of=${encodeURIComponent(new Date(instant).toISOString())}`)

describe('history', () => {
  test('each version is listed with what it changed, newest first, also after the deletion', async () => {
    const first = await create()
    const second = await change({ city: 'Oak Bay', address: '7' })
    await api.delete('/api/v2/housing/1', any)
    const { items, next } = await history()
    expect(next).toBeNull()
    expect(items).toEqual([
      { version: 3, at: items[0]?.at, by: null, operation: 'deleted', changed: [], house: second },
      {
        version: 2,
        at: second.updated_at,
        by: null,
        operation: 'updated',
        changed: ['address', 'city'],
        house: second,
      },
      { version: 1, at: first.updated_at, by: null, operation: 'created', changed: members, house: first },
    ])
    expect((items[0]?.at as string) > second.updated_at).toBe(true)
  })

  test('a history is paged like the list', async () => {
    await create()
    await create()
    for (let i = 0; i < 6; i++) await change({ address: `${i}` })
    const seen: number[] = []
    let query = '?limit=3'
    for (;;) {
      const { items, next } = await history(1, query)
      expect(items.at(-1)?.changed).toEqual(items.at(-1)?.version === 1 ? members : ['address'])
      seen.push(...items.map(({ version }) => version))
      if (next === null) break
      query = `?limit=3&cursor=${next}`
    }
    expect(seen).toEqual([7, 6, 5, 4, 3, 2, 1])
    const { headers } = await api.get('/api/v2/housing/1/versions?limit=3')
    const { next } = await history(1, '?limit=3')
    expect(headers.link).toBe(
      `</api/v2/housing/1/versions?limit=3>; rel="first", </api/v2/housing/1/versions?cursor=${next}&limit=3>; rel="next"`,
    )
    expectProblem(await api.get(`/api/v2/housing/2/versions?cursor=${next}`), 400, 'invalid-parameter', ['cursor'])
    for (const query of ['cursor=abc', `cursor=${next}A`, `cursor=${next?.slice(0, -1)}`, 'limit=0', 'sort=id'])
      expectProblem(await api.get(`/api/v2/housing/1/versions?${query}`), 400, 'invalid-parameter', [
        query.replace(/=.*/, ''),
      ])
  })

  test('a house that never existed has no history, no past and nothing to restore', async () => {
    await create()
    for (const url of ['/api/v2/housing/9/versions', '/api/v2/housing/0/versions', '/api/v2/housing/x/versions'])
      expectProblem(await api.get(url), 404, 'not-found')
    expectProblem(await asOf(Date.now(), 9), 404, 'not-found')
    expectProblem(await restore(1, any, 9), 404, 'not-found')
    expectProblem(await restore(2, any), 404, 'not-found')
    expectProblem(await restore(0, any), 404, 'not-found')
  })

  test('as_of shows the house as it was at that instant, without an ETag and not to be cached', async () => {
    const first = await create()
    const second = await change({ city: 'Oak Bay' })
    const then = await asOf(first.updated_at)
    expect(then.json()).toEqual(first)
    expect(then.headers.etag).toBeUndefined()
    expect(then.headers['cache-control']).toBe('no-store')
    expect((await asOf(Date.parse(second.updated_at) - 1)).json()).toEqual(first)
    expect((await asOf(second.updated_at)).json()).toEqual(second)
    const justBefore = new Date(Date.parse(second.updated_at) - 1).toISOString().replace('Z', '999999Z')
    expect((await api.get(`/api/v2/housing/1?as_of=${justBefore}`)).json()).toEqual(first)
    expect((await asOf(Date.now() + 500)).json()).toEqual(second)
    expectProblem(await asOf(Date.parse(first.updated_at) - 1), 404, 'not-found')
    expectProblem(await asOf(Date.now() + 5000), 400, 'invalid-parameter', ['as_of'])
    for (const spelling of ['2100-01-01T00:00:00+23:59', '2100-01-01t00:00:00.123456789-23:59'])
      expectProblem(
        await api.get(`/api/v2/housing/1?as_of=${encodeURIComponent(spelling)}`),
        400,
        'invalid-parameter',
        ['as_of'],
      )
    expectProblem(await api.get('/api/v2/housing/1?as_of=1000-01-01T00:00:00%2B23:59'), 404, 'not-found')
    expectProblem(await api.get('/api/v2/housing/1?as_of=yesterday'), 400, 'invalid-parameter', ['as_of'])
  })

  test.each([
    ['0000-01-01T00:00:00Z', 404],
    ['0000-02-29T00:00:00+23:59', 404],
    ['0000-12-31t23:59:59.999999999z', 404],
    ['0001-01-01T00:00:00Z', 404],
    ['0001-01-01T00:00:00+00:01', 404],
    ['0050-06-01T00:00:00-00:00', 404],
    ['0999-12-31T23:59:59Z', 404],
    ['1582-10-10T00:00:00Z', 404],
    ['1972-06-30T23:59:60Z', 404],
    ['1990-12-31T15:59:60.123-08:00', 404],
    [`1999-01-01T00:00:00.${'9'.repeat(70)}Z`, 404],
    ['9998-12-31T23:59:59Z', 400],
    ['9999-12-31T23:59:59.999999999-23:59', 400],
    ['9999-12-31T23:59:60Z', 400],
    ['0000-00-01T00:00:00Z', 400],
    ['0100-02-29T00:00:00Z', 400],
    ['2016-12-31T23:58:60Z', 400],
    ['2016-12-31T23:59:60+01:00', 400],
    ['2016-12-31T23:59:61Z', 400],
    ['2016-12-31T24:00:00Z', 400],
    ['2016-12-31T23:59:59+24:00', 400],
    ['10000-01-01T00:00:00Z', 400],
    ['-001-01-01T00:00:00Z', 400],
  ])('as_of=%s is answered %i', async (instant, status) => {
    await create()
    const answer = await api.get(`/api/v2/housing/1?as_of=${encodeURIComponent(instant)}`)
    if (status === 404) expectProblem(answer, 404, 'not-found')
    else expectProblem(answer, 400, 'invalid-parameter', ['as_of'])
  })
})

describe('restoring', () => {
  test('restoring a house makes a new version, and needs a precondition that holds', async () => {
    const first = await create()
    await change({ city: 'Oak Bay' })
    expectProblem(await restore(1), 428, 'precondition-required')
    expectProblem(await restore(1, { 'if-match': 'x' }), 400, 'malformed-request')
    const stale = await restore(1, { 'if-match': '"1-1"' })
    expectProblem(stale, 412, 'precondition-failed')
    expect(stale.headers.etag).toBe('"1-2"')
    expect(stale.json().current_version).toBe(2)
    const restored = await restore(1, { 'if-match': '"1-2"' })
    expect(restored.statusCode).toBe(200)
    expect(restored.headers.etag).toBe('"1-3"')
    expect(restored.json()).toEqual({ ...first, version: 3, updated_at: restored.json().updated_at })
    expect((await history()).items[0]).toMatchObject({ version: 3, operation: 'restored', changed: ['city'] })
    expect((await restore(1, any)).json().version).toBe(3) // nothing to change
    expect((await change({ city: 'Esquimalt' })).version).toBe(4)
    expect((await history()).items[0]).toMatchObject({ version: 4, operation: 'updated' })
  })

  test('a deleted house is restored under its id, and its versions continue', async () => {
    const first = await create()
    await api.delete('/api/v2/housing/1', any)
    const deletion = await restore(2)
    expectProblem(deletion, 409, 'not-restorable')
    expect(deletion.json().current_version).toBe(2)
    const back = await restore(1, { 'if-match': '"1-77"' })
    expect(back.headers.etag).toBe('"1-3"')
    expect(back.json()).toEqual({ ...first, version: 3, updated_at: back.json().updated_at })
    expect(back.json()).toEqual((await api.get('/api/v2/housing/1')).json())
    expect((await history()).items.map(({ operation }) => operation)).toEqual(['restored', 'deleted', 'created'])
    expect((await restore(2, any)).json().current_version).toBe(3)
  })

  test('a version whose housing type is gone cannot be restored', async () => {
    await api.put('/api/v2/housing-types/TNH', { description: 'Townhouse' })
    await create({ housing_type: 'TNH' })
    await change({ housing_type: 'SFD' })
    await api.delete('/api/v2/housing-types/TNH')
    const changed = await restore(1, any)
    expectProblem(changed, 409, 'not-restorable')
    expect(changed.json().current_version).toBe(2)
    await api.delete('/api/v2/housing/1', any)
    const deleted = await restore(1)
    expectProblem(deleted, 409, 'not-restorable')
    expect(deleted.json().current_version).toBe(3)
    expect((await history()).items.at(-1)?.house.housing_type).toBe('TNH')
  })

  test('of clients that restore the same deleted house at once, exactly one succeeds', async () => {
    await create()
    await api.delete('/api/v2/housing/1', any)
    const answers = await Promise.all(Array.from({ length: 10 }, () => restore(1)))
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, ...Array(9).fill(428)])
    expect((await history()).items).toHaveLength(3)
  })
})

describe('the change log', () => {
  test('writes by SQL are in the history too, with the actor that they name', async () => {
    await db.transaction().execute(async (tx) => {
      await sql`select set_config('sample_api.actor', 'import of March', true)`.execute(tx)
      await sql`insert into housing.housing (address, street, city, postal_code, housing_type_id)
      select n::text, 'Fort Street', 'Victoria', 'V8W 1H6', 1 from generate_series(1, 3) n`.execute(tx)
    })
    await sql`update housing.housing set city = 'Saanich' where id > 1`.execute(db)
    await sql`truncate housing.housing`.execute(db)
    for (const [id, operations] of [
      [1, ['deleted', 'created']],
      [2, ['deleted', 'updated', 'created']],
    ] as const) {
      const { items } = await history(id)
      expect(items.map(({ operation }) => operation)).toEqual(operations)
      expect(items.map(({ by }) => by)).toEqual([...Array(operations.length - 1).fill(null), 'import of March'])
    }
  })

  test('the change log is append-only, and a house keeps its id', async () => {
    await create()
    for (const statement of [
      'update housing.changes set by = null',
      'delete from housing.changes',
      'update housing.housing set id = 2',
    ])
      await expect(sql.raw(statement).execute(db)).rejects.toMatchObject({ code: '55000' })
  })
})

// One act in the life of a house: what is done to it, whether by SQL, and with which values.
const act = fc.record({
  what: fc.constantFrom('change', 'change', 'delete', 'restore', 'restore'),
  bySql: fc.boolean(),
  city: fc.constantFrom('Victoria', 'Oak Bay', 'Saanich'),
  type: fc.constantFrom(['SFD', 1], ['MFD', 3]),
  pick: fc.nat(),
})

test('whatever happens to a house, its history reports it and shows the house as it was at any instant', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { maxLength: 12 }), async (acts) => {
      const house: Housing = await create()
      const { id } = house
      const told: { operation: string; house: Housing; changed: readonly string[] }[] = [
        { operation: 'created', house, changed: members },
      ]
      let current: Housing | undefined = house
      const read = async () => (await api.get(`/api/v2/housing/${id}`)).json() as Housing
      for (const { what, bySql, city, type, pick } of acts) {
        const before = told.at(-1)?.house as Housing
        const version = told.length + 1
        let wanted: Pick<Housing, 'city' | 'housing_type'> = { city, housing_type: String(type[0]) }
        let operation = 'updated'
        if (what === 'delete') {
          if (!current) continue
          if (bySql) await sql`delete from housing.housing where id = ${id}`.execute(db)
          else await api.delete(`/api/v2/housing/${id}`, any)
          told.push({ operation: 'deleted', house: current, changed: [] })
          current = undefined
          continue
        }
        if (what === 'restore') {
          const chosen = pick % told.length
          operation = 'restored'
          if (told[chosen]?.operation === 'deleted') {
            expect((await restore(chosen + 1, any, id)).statusCode).toBe(409)
            continue
          }
          wanted = told[chosen]?.house as Housing
          expect((await restore(chosen + 1, any, id)).statusCode).toBe(200)
        } else if (current && bySql)
          await sql`update housing.housing set city = ${city}, housing_type_id = ${type[1]} where id = ${id}`.execute(
            db,
          )
        else if (current) await change(wanted, id)
        else {
          operation = 'restored'
          await sql`insert into housing.housing (id, address, street, city, postal_code, housing_type_id)
            values (${id}, ${house.address}, ${house.street}, ${city}, ${house.postal_code}, ${type[1]})`.execute(db)
        }
        const changed = (['city', 'housing_type'] as const).filter((member) => wanted[member] !== before[member])
        const now = await read()
        if (current && changed.length === 0) {
          expect(now).toEqual(current)
          continue
        }
        const { city: newCity, housing_type } = wanted
        expect(now).toEqual({ ...before, city: newCity, housing_type, version, updated_at: now.updated_at })
        told.push({ operation, house: now, changed })
        current = now
      }

      const { items } = await history(id, '?limit=1000')
      const entries = items.reverse()
      expect(entries.map(({ operation, house, changed }) => ({ operation, house, changed }))).toEqual(told)
      expect(entries.map(({ version }) => version)).toEqual(told.map((_, i) => i + 1))
      const times = entries.map(({ at }) => Date.parse(at))
      for (const [i, at] of times.entries()) {
        if (i > 0) expect(at).toBeGreaterThan(times[i - 1] as number)
        if (told[i]?.operation !== 'deleted') expect(entries[i]?.at).toBe(told[i]?.house.updated_at)
        for (const instant of [at - 1, at, at + 1]) {
          const last = told[times.filter((time) => time <= instant).length - 1]
          const answer = await asOf(instant, id)
          if (last && last.operation !== 'deleted') expect(answer.json()).toEqual(last.house)
          else expect(answer.statusCode).toBe(404)
        }
      }
    }),
    { numRuns: 25 },
  )
}, 60_000)
