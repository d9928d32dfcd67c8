import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { backend, startApi } from '../../test/support/api.ts'
import { actingAs, actorOf } from './actor.ts'
import { endingBy } from './deadline.ts'
import { inTransaction } from './transaction.ts'

const { database } = await startApi()

test('work that has waited already ends at its own deadline, and still acts for its caller', async ({ skip }) => {
  skip(backend !== 'server', 'the embedded database ends statements by itself')
  const late = endingBy(actingAs(database.db, { name: 'key:1' }), performance.now() + 300)
  expect(actorOf(late)).toBe('key:1')
  const statement = sql`select pg_sleep(60)` // which Postgres would end later, with an error of its own
  await expect(statement.execute(late)).rejects.toMatchObject({ timedOut: true, isOfRead: true })
  const later = endingBy(database.db, performance.now() + 300)
  await expect(inTransaction(later, (tx) => statement.execute(tx))).rejects.toMatchObject({ timedOut: true })
  await expect(statement.execute(later)).rejects.toThrow(/no effect|Too many/) // nothing is sent any more
})
