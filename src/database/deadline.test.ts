import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { backend, startApi } from '../../test/support/api.ts'
import { actingAs, actorOf } from './actor.ts'
import { before } from './deadline.ts'
import { NotDone } from './errors.ts'
import { inTransaction } from './transaction.ts'

const { database } = await startApi()

test('work that has waited already ends at its own deadline, and still acts for its caller', async ({ skip }) => {
  skip(backend !== 'server', 'the embedded database ends statements by itself')
  const late = before(performance.now() + 300, actingAs(database.db, { name: 'key:1' }))
  expect(actorOf(late)).toBe('key:1')
  const statement = sql`select pg_sleep(60)` // which Postgres would end later, with an error of its own
  await expect(statement.execute(late)).rejects.toMatchObject({ timedOut: true, isOfRead: true })
  const later = before(performance.now() + 300, database.db)
  await expect(inTransaction(later, (tx) => statement.execute(tx))).rejects.toMatchObject({ timedOut: true })
  await expect(statement.execute(later)).rejects.toThrow(NotDone) // nothing is sent any more
})
