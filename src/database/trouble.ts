import type { Trouble } from './database.ts'
import {
  isForbidden,
  isOfSchema,
  isOfStorage,
  isPassing,
  isSqlError,
  isStuck,
  NotDone,
  reason,
  type SqlError,
} from './errors.ts'
import type { ReliablePool, Statement } from './pool.ts'
import { compiledStatements } from './statement.ts'
import type { Database } from './tables.ts'

interface Requests {
  /** The pool that requests use. */
  pool: ReliablePool
  db: Database
}

/**
 * Checks over `probe` whether Postgres answers and accepts writes; whether the schema is as expected, which is so if it
 * can plan the statements of this program; and whether a statement that failed for lack of space or because of damage
 * works again. (The error that a standby raises replaces the connection, so the next check may reach a primary.)
 */
export async function findTrouble(probe: ReliablePool, requests: Requests): Promise<Trouble> {
  const late = new Promise<string>((resolve) => setTimeout(resolve, 1000, 'it did not answer within a second').unref())
  const standby = await Promise.race([probe.ask(rejectReadOnly).then(nothing, whyNot), late])
  if (standby !== undefined) return { database: standby }
  return {
    schema: await Promise.race([mismatch(probe, requests), late.then(nothing)]),
    database: await Promise.race([storageFault(probe, requests), late]),
  }
}

const nothing = () => undefined

const rejectReadOnly = `do $$ begin
  if current_setting('transaction_read_only')::boolean then
    raise read_only_sql_transaction using message = 'it is read-only, as a standby is, or because of '
      'default_transaction_read_only: let POSTGRES_SERVER or DATABASE_URL lead to the primary';
  end if;
end $$`

const whyNot = (error: unknown) => reason(error instanceof NotDone ? error.cause : error)

/** Why Postgres cannot plan a statement: a table or column is missing, has another form, or may not be used. */
async function mismatch(probe: ReliablePool, { pool, db }: Requests): Promise<string | undefined> {
  const last = pool.rejected.schema
  const rejection = last && (await planning(probe, last))
  if (rejection && rejection.code === last?.code) return remedied(rejection) // otherwise it was rejected by a trigger
  if (pool.rejected.schema === last) pool.rejected.schema = undefined
  for (const { sql, parameters } of compiledStatements(db)) {
    const rejection = await planning(probe, { text: sql, values: parameters.map(() => null) })
    if (rejection) return remedied(rejection)
  }
  return undefined
}

/** With what to do, where that is known. */
const remedied = (error: SqlError) =>
  isForbidden(error) ? `${error.message}: run db/roles.sql, or grant what it grants` : error.message

/** Why Postgres cannot plan this statement, if the schema is the reason. */
const planning = (probe: ReliablePool, { text, values }: Statement): Promise<SqlError | undefined> =>
  probe.ask(`explain ${text}`, values).then(nothing, (error) => (isOfSchema(error) ? error : undefined))

/** Why the statement that failed for lack of space or because of damage still fails. It is tried and rolled back. */
async function storageFault(probe: ReliablePool, { pool }: Requests): Promise<string | undefined> {
  const last = pool.rejected.storage
  if (!last) return undefined
  const connection = await probe.connect()
  try {
    await connection.query('begin', [])
    await connection.query(last.text, last.values)
  } catch (error) {
    if (isOfStorage(error)) return error.message
    if (!isSqlError(error) || isPassing(error) || isStuck(error))
      return `it cannot be found out whether there is space again: ${reason(error)}`
  } finally {
    await connection.query('rollback', []).catch(() => {}) // a dead connection has rolled back already
    connection.release()
  }
  if (pool.rejected.storage === last) pool.rejected.storage = undefined
  return undefined
}
