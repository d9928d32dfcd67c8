import { expect, onTestFinished, test } from 'vitest'
import { makeApiKey } from '../../src/access/api-key.ts'
import { insertKey } from '../../src/access/queries.ts'
import { apiOver, startApi } from '../../test/support/api.ts'
import { library } from '../../test/support/http.ts'
import { SampleApi } from '../src/index.ts'

const { app, db, database } = await startApi()
const api = new SampleApi({ url: await app.listen({ port: 0, host: '127.0.0.1' }) })

test('a house is created, read, changed, listed, deleted and restored', async () => {
  const created = await api.housing.create(library)
  expect(created).toMatchObject({ ...library, id: 1, version: 1 })
  expect(await api.housing.get(1)).toEqual(created)
  expect(await api.housing.update(1, ({ address }) => ({ address: `${address}A` }))).toMatchObject({ address: '735A' })
  const replaced = await api.housing.replace({ id: 1, version: 2 }, { ...library, postal_code: 'v8v 1a1' })
  expect(replaced).toMatchObject({ postal_code: 'V8V 1A1', version: 3 })
  expect(await api.housing.patch(replaced, { city: 'Saanich' })).toMatchObject({ city: 'Saanich', version: 4 })
  await expect(api.housing.patch(replaced, {})).rejects.toMatchObject({
    code: 'precondition-failed',
    currentVersion: 4,
  })
  expect(await api.housing.get(1, { asOf: new Date(created.created_at) })).toMatchObject({ version: 1 })
  await api.housing.remove({ id: 1, version: 4 })
  await expect(api.housing.get(1)).rejects.toMatchObject({ code: 'not-found', status: 404 })
  expect(await api.housing.restore(1, 4)).toMatchObject({ city: 'Saanich', version: 6 })
  expect(await api.housing.restore(1, 1, { of: 6 })).toMatchObject({ city: 'Victoria', version: 7 })
  const versions = []
  for await (const { version, operation } of api.housing.history(1, { limit: 3 })) versions.push([version, operation])
  expect(versions.map(([version]) => version)).toEqual([7, 6, 5, 4, 3, 2, 1])
})

test('a housing type is changed and deleted only if it still is what it was', async () => {
  const { housingTypes } = api
  const town = await housingTypes.put({ code: 'TNH', description: 'Town House' }, { isNew: true })
  const row = await housingTypes.put({ ...town, description: 'Row House' }, { of: town })
  const isStale = { code: 'precondition-failed' }
  await expect(housingTypes.put({ ...town, description: 'Terrace' }, { of: town })).rejects.toMatchObject(isStale)
  await expect(housingTypes.remove('TNH', { of: town })).rejects.toMatchObject(isStale)
  expect(await housingTypes.get('TNH')).toEqual(row)
  await housingTypes.remove('TNH', { of: row })
  await expect(housingTypes.put(town, { of: row })).rejects.toMatchObject({ code: 'not-found' })
})

test('changes arrive as they happen', async () => {
  const changes = api.housing.changes({ after: await api.housing.position() })
  const seen: [number, string][] = []
  await api.housing.create(library)
  for await (const { version, operation } of changes) {
    seen.push([version, operation])
    if (version === 1) await api.housing.patch({ id: 1, version }, { address: '1' })
    else break
  }
  expect(seen).toEqual([
    [1, 'created'],
    [2, 'updated'],
  ])
})

test('files go in and out', async () => {
  const report = await api.housing.import([library, library])
  expect(report).toMatchObject({ created: 2, rejected: 0 })
  const file = await api.housing.export({ city: 'victoria' })
  expect(file.position).toBeGreaterThanOrEqual(2)
  const csv = await file.text()
  expect(csv.split('\n')).toHaveLength(4)
  const dry = await api.housing.import(csv.replace('Victoria', ''), { type: 'text/csv', dryRun: true })
  expect(dry).toMatchObject({ received: 2, rejected: 1, unchanged: 1 })
  const rejected = await api.housing.rejectedRows(new Blob([csv.replace('Victoria', '')]), { type: 'text/csv' })
  expect(await rejected.text()).toContain('detail')
  expect(await api.housing.applyImport(dry.import_id as string, { onError: 'skip' })).toMatchObject({ unchanged: 1 })
})

test('a key comes with every request, whoever asks for it', async () => {
  const access = { auth: 'keys', anonymous: [], tokens: undefined, rateLimit: Number.POSITIVE_INFINITY } as const
  const guarded = await apiOver(database, { access })
  onTestFinished(() => guarded.close())
  const url = `${await guarded.listen({ port: 0, host: '127.0.0.1' })}/`
  const { key, ...stored } = makeApiKey()
  await insertKey(db, { ...stored, name: 'test', scopes: ['housing:write'], lifetime: 3600 })

  let current: string | undefined
  const { housing, housingTypes } = new SampleApi({ url, key: () => current })
  await expect(housing.create(library)).rejects.toMatchObject({ code: 'unauthenticated', status: 401 })
  await expect(housing.position()).rejects.toMatchObject({ code: 'unauthenticated' })
  await expect(housing.changes()[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'unauthenticated' })
  current = key
  expect(await housing.create(library)).toMatchObject({ version: 1 })
  for await (const { by } of housing.changes()) {
    expect(by).toMatch(/^key:/)
    break
  }
  await expect(housingTypes.remove('COP')).rejects.toMatchObject({ code: 'insufficient-scope', status: 403 })
  expect(await new SampleApi({ url: new URL(url), key }).housing.position()).toBeGreaterThan(0)
})

test('writers of one house take turns', async () => {
  await api.housing.create({ ...library, address: '.' })
  const letters = [...'abcdef']
  await Promise.all(letters.map((letter) => api.housing.update(1, ({ address }) => ({ address: address + letter }))))
  const { address, version } = await api.housing.get(1)
  expect([[...address].sort().join(''), version]).toEqual(['.abcdef', 7])
  const racing = api.housing.update(
    1,
    async ({ version }) => {
      await api.housing.patch({ id: 1, version }, { address: `${version}` })
      return { city: 'Saanich' }
    },
    { attempts: 2 },
  )
  await expect(racing).rejects.toMatchObject({ code: 'precondition-failed' })
  expect(await api.housing.get(1)).toMatchObject({ address: '8', city: 'Victoria', version: 9 })
})

test('a list is read page by page, and no further than it is asked for', async () => {
  await api.housing.import(Array.from({ length: 5 }, (_, i) => ({ ...library, address: `${i}` })))
  const pages = []
  for await (const page of api.housing.list({ sort: '-id', limit: 2, count: 'exact', city: 'VICTORIA' }).pages())
    pages.push([page.total, ...page.items.map(({ id }) => id)])
  expect(pages).toEqual([
    [5, 5, 4],
    [undefined, 3, 2],
    [undefined, 1],
  ])
  const { value: first } = await api.housing.list({ limit: 2 }).pages().next()
  const rest = []
  for await (const { id } of api.housing.list({ limit: 2, cursor: first?.next ?? undefined })) rest.push(id)
  expect(rest).toEqual([3, 4, 5])
})

test('a batch is done as a whole, and its problem names the operation', async () => {
  const create = { op: 'create', house: library } as const
  expect(await api.housing.batch([create, create])).toMatchObject([{ id: 1 }, { id: 2 }])
  const wrong = api.housing.batch([create, { op: 'delete', id: 1, version: 7 }])
  await expect(wrong).rejects.toMatchObject({ code: 'version-conflict', currentVersion: 1, body: { index: 1 } })
})

test('without a URL, outside a browser, there is nothing to ask', () => {
  expect(() => new SampleApi()).toThrow('The client needs the url of the API.')
})
