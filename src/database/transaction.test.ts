import { expect, test } from 'vitest'
import { setDeadline } from './deadline.ts'
import { ConnectionLost, NotDone, QueryTimeout, RolledBack } from './errors.ts'
import type { Database } from './tables.ts'
import { inTransaction } from './transaction.ts'

const sqlError = (code: string) => Object.assign(new Error(code), { code, severity: 'ERROR' })

test.each([
  ['a deadlock', sqlError('40P01'), 4],
  ['a serialization failure', sqlError('40001'), 4],
  ['a BEGIN over a lost connection', new NotDone(new Error('Connection terminated')), 4],
  ['a BEGIN that timed out, as the next one would', new NotDone(new QueryTimeout(5000)), 1],
  ['a lost connection', new ConnectionLost(new Error('Connection terminated')), 1],
  ['a connection that was lost before COMMIT', new RolledBack(new Error('Connection terminated')), 1],
  ['any other error', sqlError('23505'), 1],
])('after %s a transaction is tried as often as that may help', async (_what, error, attempts) => {
  let begun = 0
  const execute = async () => {
    begun += 1
    throw error
  }
  const connection = { transaction: () => ({ execute }) }
  const db = {
    isTransaction: false,
    connection: () => ({ execute: (use: (over: typeof connection) => Promise<void>) => use(connection) }),
    getExecutor: () => ({ plugins: [] }),
  } as unknown as Database
  const untils = new Set<number>()
  setDeadline(db, { deadline: 5000, endingBy: (until) => ({ ...db, n: untils.add(until) }) as unknown as Database })
  await expect(inTransaction(db, async () => {})).rejects.toBe(error)
  expect(begun).toBe(attempts)
  const overAnother = error instanceof NotDone && attempts > 1
  expect(untils.size).toBe(overAnother ? 1 : 0) // they share the deadline of the first attempt
})
