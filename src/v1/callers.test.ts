import { sql } from 'kysely'
import { afterAll, expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { appWithCallers } from '../../test/support/callers.ts'
import { client } from '../../test/support/http.ts'
import { Notices } from '../database/listen.ts'
import { HousingTypes } from '../housing-types/memory.ts'
import { addVersion1 } from './version1.ts'

const { db, database } = await startApi()
const app = await appWithCallers(database)
await addVersion1(app, { db: database.db, types: new HousingTypes(database, new Notices()) })
afterAll(() => app.close())

test('the history names each of the callers who add houses at the same time', async () => {
  const callers = ['key:7f3a9c01', 'sub:somebody', null]
  const posts = Array.from({ length: 150 }, async (_, i) => {
    const caller = callers[i % 3]
    // Some houses are of an unknown type, so that Postgres rejects them within a batch.
    const housing_type_id = i % 17 === 0 ? 90 : 1
    const body = { address: `${i % 3}`, street: 'Main', city: 'Victoria', postal_code: 'V8V 1A1', housing_type_id }
    const { statusCode } = await client(app).post('/api/v1/housing/', body, caller ? { caller } : {})
    expect(statusCode).toBe(housing_type_id === 1 ? 200 : 422)
  })
  await Promise.all(posts)
  const { rows } = await sql<{ address: number; by: string | null }>`
    select address::int, by from housing.changes`.execute(db)
  expect(rows).toHaveLength(150 - 9)
  for (const { address, by } of rows) expect(by).toBe(callers[address])
})
