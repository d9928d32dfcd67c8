import { expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { client, expectProblem } from '../../test/support/http.ts'

const { app } = await startApi()
const api = client(app)
const town = { description: 'Town House' }
const types = '/api/v2/housing-types'

test('all types are listed, and one is read by its code', async () => {
  const answer = await api.get(types)
  expect(answer.json()).toEqual({
    items: [
      { code: 'SFD', description: 'Single Family Housing' },
      { code: 'ASL', description: 'Assisted Living' },
      { code: 'MFD', description: 'Multi Family Housing' },
      { code: 'COP', description: 'Co-Op Housing' },
    ],
    next: null,
  })
  expect((await api.get(`${types}/ASL`)).json()).toEqual({ code: 'ASL', description: 'Assisted Living' })
})

test('both reads have an ETag of their content and answer 304', async () => {
  for (const url of [types, `${types}/SFD`]) {
    const etag = String((await api.get(url)).headers.etag)
    expect(etag).toMatch(/^"[\w-]+"$/)
    for (const known of [`"x", ${etag}`, `W/${etag}`, etag.replace(/"$/, '-gzip"')])
      expect((await api.get(url, { 'if-none-match': known })).statusCode).toBe(304)
    await api.put(`${types}/SFD`, { description: `Changed for ${url}` })
    const changed = await api.get(url, { 'if-none-match': etag })
    expect(changed.statusCode).toBe(200)
    expect(changed.headers.etag).not.toBe(etag)
  }
  await api.put(`${types}/SFD`, { description: 'Single Family Housing' })
})

test('a type is added, replaced, used and deleted', async () => {
  const added = await api.put(`${types}/TNH`, { ...town, code: 'TNH' })
  expect(added.statusCode).toBe(201)
  expect(added.headers.location).toBe(`${types}/TNH`)
  expect(added.json()).toEqual({ code: 'TNH', ...town })
  const read = await api.get(`${types}/TNH`)
  expect([read.json(), read.headers.etag]).toEqual([added.json(), added.headers.etag])

  const replaced = await api.put(`${types}/TNH`, { description: ' Row House ' })
  expect(replaced.statusCode).toBe(200)
  expect(replaced.json()).toEqual({ code: 'TNH', description: 'Row House' })

  const house = { address: '1', street: 'A', city: 'B', postal_code: 'V8V1A1', housing_type: 'TNH' }
  expect((await api.post('/api/v2/housing', house)).statusCode).toBe(201)
  expectProblem(await api.delete(`${types}/TNH`), 409, 'housing-type-in-use')
  await api.delete('/api/v2/housing/1', { 'if-match': '*' })
  expect((await api.delete(`${types}/TNH`)).statusCode).toBe(204)
  expectProblem(await api.get(`${types}/TNH`), 404, 'not-found')
  expectProblem(await api.delete(`${types}/TNH`), 404, 'not-found')
})

test('preconditions are honoured if they are given', async () => {
  const none = { 'if-none-match': '*' }
  expectProblem(await api.put(`${types}/TNH`, town, { 'if-none-match': 'x' }), 400, 'malformed-request')
  expectProblem(await api.delete(`${types}/TNH`, { 'if-none-match': 'x' }), 400, 'malformed-request')
  expectProblem(await api.put(`${types}/TNH`, town, { 'if-match': '*' }), 412, 'precondition-failed')
  expectProblem(await api.put(`${types}/TNH`, town, { 'if-match': '"x"' }), 412, 'precondition-failed')
  expectProblem(await api.delete(`${types}/TNH`, { 'if-match': '*' }), 412, 'precondition-failed')
  const etag = String((await api.put(`${types}/TNH`, town, none)).headers.etag)
  for (const headers of [none, { 'if-none-match': etag }, { 'if-match': '"x"' }, { 'if-match': 'W/"x-gzip"' }]) {
    const answer = await api.put(`${types}/TNH`, { description: 'Other' }, headers as Record<string, string>)
    expectProblem(answer, 412, 'precondition-failed')
    expect(answer.headers.etag).toBe(etag)
  }
  expectProblem(await api.put(`${types}/TNH`, town, { 'if-match': 'x' }), 400, 'malformed-request')
  expectProblem(await api.delete(`${types}/TNH`, { 'if-match': '"x"' }), 412, 'precondition-failed')
  expect((await api.get(`${types}/TNH`)).json()).toMatchObject(town)
  expect((await api.put(`${types}/TNH`, { description: 'Other' }, { 'if-match': etag })).statusCode).toBe(200)
  for (const [i, made] of [(tag: string) => `W/${tag}`, (tag: string) => tag.replace(/"$/, '-gzip"')].entries()) {
    const { etag = '' } = (await api.get(`${types}/TNH`)).headers // as a compressing proxy passes it on
    const put = await api.put(`${types}/TNH`, { description: `${i}` }, { 'if-match': made(String(etag)) })
    expect(put.statusCode, made(String(etag))).toBe(200)
  }
  expect((await api.delete(`${types}/TNH`, { 'if-match': '*' })).statusCode).toBe(204)
})

test('of clients that add the same type only if it does not exist, exactly one succeeds', async () => {
  const racers = Array.from({ length: 10 }, (_, i) =>
    api.put(`${types}/TNH`, { description: `${i}` }, { 'if-none-match': '*' }),
  )
  const codes = (await Promise.all(racers)).map(({ statusCode }) => statusCode)
  expect(codes.sort()).toEqual([201, ...Array(9).fill(412)])
})

test('a code that is not three capital letters is a 404 for GET and DELETE, and a 422 for PUT', async () => {
  for (const code of ['sfd', 'SF', 'SFDX', 'S1D', '%00', 'SFD%20', 'ÄÖÜ']) {
    expectProblem(await api.get(`${types}/${code}`), 404, 'not-found')
    expectProblem(await api.delete(`${types}/${code}`), 404, 'not-found')
    expectProblem(await api.put(`${types}/${code}`, town), 422, 'invalid-path', ['code'])
  }
})

test('every error in a type is reported', async () => {
  expectProblem(await api.put(`${types}/TNH`, {}), 422, 'invalid-body', ['/description'])
  expectProblem(await api.put(`${types}/TNH`, { ...town, code: 'TNX' }), 422, 'invalid-body', ['/code'])
  expectProblem(await api.put(`${types}/TNH`, { ...town, id: 1 }), 422, 'invalid-body', ['/id'])
  for (const description of ['', '  ', 'x'.repeat(51), 'a\u0000', null, 1])
    expectProblem(await api.put(`${types}/TNH`, { description }), 422, 'invalid-body', ['/description'])
  expectProblem(await api.get(`${types}/TNH`), 404, 'not-found')
})
