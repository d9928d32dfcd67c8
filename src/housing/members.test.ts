import { expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { client } from '../../test/support/http.ts'
import { HousingInput, writableMembers } from './schemas.ts'

const { app } = await startApi()
const api = client(app)
const housing = '/api/v2/housing'
const any = { 'if-match': '*' }

/** Two values for each member; the compiler demands them for a new member. */
const values: { [Member in keyof HousingInput]: [HousingInput[Member], HousingInput[Member]] } = {
  address: ['735', '1'],
  street: ['Broughton Street', 'Centennial Square'],
  city: ['Victoria', 'Oak Bay'],
  postal_code: ['V8W 3H2', 'V8W 1P6'],
  housing_type: ['COP', 'SFD'],
}
const before = Object.fromEntries(writableMembers.map((member) => [member, values[member][0]]))

test('every member that a client may set is among the values above', () => {
  expect(Object.keys(values)).toEqual(Object.keys(HousingInput.properties))
})

test.each(writableMembers)('%s is returned whatever wrote it, also from the history', async (member) => {
  const after = { ...before, [member]: values[member][1] }
  const read = async () => (await api.get(`${housing}/1`)).json()
  const batch = async (operation: object) => {
    const { results } = (await api.post(`${housing}/batch`, { operations: [operation] })).json()
    return results[0].house
  }
  const restore = async (version: number) =>
    (await api.send('POST', `${housing}/1/versions/${version}/restore`, undefined, any)).json()

  const created = (await api.post(housing, before)).json()
  expect(created, 'POST').toMatchObject(before)
  expect((await api.put(`${housing}/1`, after, any)).json(), 'PUT').toMatchObject(after)
  expect((await api.patch(`${housing}/1`, { [member]: values[member][0] }, any)).json(), 'PATCH').toMatchObject(before)
  const changed = await batch({ op: 'update', id: 1, version: 3, house: { [member]: values[member][1] } })
  expect(changed, 'an update in a batch').toMatchObject(after)
  expect(await batch({ op: 'create', house: after }), 'a creation in a batch').toMatchObject(after)
  expect(await restore(1), 'a restoration').toMatchObject(before)
  await api.delete(`${housing}/1`, any)
  expect(await restore(4), 'a restoration after the deletion').toMatchObject(after)
  expect(await read(), 'GET').toMatchObject(after)

  const { items } = (await api.get(`${housing}/1/versions`)).json()
  expect(items.map(({ house }: { house: Record<string, unknown> }) => house[member])).toEqual(
    [1, 0, 0, 1, 0, 1, 0].map((i) => values[member][i]),
  )
  expect(items.slice(1, -1).map(({ changed }: { changed: string[] }) => changed)).toEqual([
    [], // the deletion
    ...[[member], [member], [member], [member]],
  ])
  expect((await api.get(`${housing}/1?as_of=${created.updated_at}`)).json(), 'as_of').toMatchObject(before)
  expect((await api.get(`${housing}?fields=${member}`)).json().items, 'the list').toEqual(
    [1, 1].map((i) => ({ [member]: values[member][i] })),
  )
})
