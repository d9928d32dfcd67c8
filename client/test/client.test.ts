import { expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { library } from '../../test/support/http.ts'
import { SampleApi } from '../src/index.ts'

const { app } = await startApi()
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

test('changes arrive as they happen', async () => {
  const changes = api.housing.changes({ after: await api.housing.position() })
  const seen = []
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
