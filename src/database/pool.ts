import type { PostgresPool } from 'kysely'
import type pg from 'pg'
import { ConnectionLost, isSqlError, NotDone, Overloaded, QueryTimeout, Unreachable } from './errors.ts'

/**
 * After these SQLSTATEs a statement had no effect: how often it may be repeated, and whether over another connection.
 */
const withoutEffect: Record<string, { repetitions: number; replaces: boolean }> = {
  '40001': { repetitions: 3, replaces: false }, // Postgres gave it up in favour of others (serialization failure)
  '40P01': { repetitions: 3, replaces: false }, // the same (deadlock)
  '25006': { repetitions: 1, replaces: true }, // the server has become a standby
  '26000': { repetitions: 10, replaces: true }, // its prepared statement is gone, likely on other connections too
  '0A000': { repetitions: 10, replaces: true }, // its prepared statement has other columns by now
}

/** The classes of SQLSTATE after which a connection is unusable: 08 connection, 57P shutdown. */
const fatal = /^(08|57P)/

/** The most callers that may wait for a connection. */
const maxWaiting = 1000

/** Sends one statement, for the first time or as a repetition. */
type Ask = (text: string, values: readonly unknown[], repetition?: number) => Promise<pg.QueryResult>

/** A pool for Kysely; `ask` sends one statement by itself. */
export interface ReliablePool extends PostgresPool {
  ask: Ask
}

interface Options {
  /** Names of the statements that each connection shall prepare, by their text. */
  names?: ReadonlyMap<string, string>
  /** How long an answer is waited for, in milliseconds. */
  deadline?: number
}

/**
 * A pool that closes a connection after any failure but a rejected statement. A statement outside a transaction is
 * repeated where that is safe: over another connection if it only reads or had no effect, over the same one after a
 * deadlock or a serialization failure.
 */
export function reliable(pool: pg.Pool, options: Options = {}): ReliablePool {
  const connections = new WeakMap<pg.PoolClient, Connection>() // one for each, as Kysely keeps something for each
  const connect = async () => {
    if (pool.waitingCount >= maxWaiting) throw new Overloaded()
    const client = await pool.connect().catch((error) => {
      throw new Unreachable(error)
    })
    return connections.get(client) as Connection
  }
  const ask: Ask = async (text, values, repetition = 0) => {
    const { query, release } = await connect()
    return query(text, values, repetition).finally(release)
  }
  pool.on('error', () => {}) // an idle connection died: the pool has dropped it, and no request notices
  pool.on('connect', (client) => {
    client.on('error', () => {}) // one in use: its query rejects
    connections.set(client, connectionOver(client, options, ask))
  })
  return {
    connect: connect as unknown as PostgresPool['connect'],
    end: async () => void (pool.ending || (await pool.end())),
    ask,
  }
}

type Connection = ReturnType<typeof connectionOver>

function connectionOver(client: pg.PoolClient, { names, deadline }: Options, askAnother: Ask) {
  let loss: Fate['loss']
  let statements = 0
  let isReleased = false
  const query: Ask = async (text, values, repetition = 0) => {
    if (loss) throw loss // a ROLLBACK would only wait for a dead connection
    statements += 1
    try {
      return await answer(client, { name: names?.get(text), text, values: values as unknown[] }, deadline)
    } catch (error) {
      const fate = fateOf(error, text)
      loss = fate.loss
      if (statements > 1 || repetition >= fate.repetitions) throw loss ?? error
      statements = 0
      if (!loss) return query(text, values, repetition + 1)
      client.release(loss) // before waiting for another one
      isReleased = true
      return askAnother(text, values, repetition + 1)
    }
  }
  return {
    query,
    release() {
      if (!isReleased) client.release(loss)
      statements = 0
    },
  }
}

/**
 * What an error means: why the connection must be replaced, if so, and how often a statement by itself may be repeated.
 */
interface Fate {
  loss?: ConnectionLost | NotDone
  repetitions: number
}

function fateOf(error: unknown, text: string): Fate {
  const code = isSqlError(error) ? error.code : undefined
  const isBegin = /^(begin|start transaction)\b/i.test(text) // never repeated: the statements after it must run on the same connection
  const known = code === undefined ? undefined : withoutEffect[code]
  if (known)
    return { ...(known.replaces && { loss: new NotDone(error) }), repetitions: isBegin ? 0 : known.repetitions }
  if (code !== undefined && !fatal.test(code)) return { repetitions: 0 }
  if (isBegin) return { loss: new NotDone(error), repetitions: 0 }
  const loss = new ConnectionLost(error)
  const isRead = /^\s*select\b/i.test(text)
  return { loss, repetitions: isRead && !loss.timedOut ? 1 : 0 }
}

/**
 * Sends one statement. It uses a callback and its own timer, because pg's promises and query_timeout keep each result
 * in memory until the next full garbage collection: they store a closure in a property, which V8 allocates as old.
 */
function answer(client: pg.PoolClient, query: pg.QueryConfig, deadline: number | undefined): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    const timer = deadline && setTimeout(() => reject(new QueryTimeout(deadline)), deadline)
    void client.query(query, (error, result) => {
      clearTimeout(timer)
      if (error) reject(error)
      else resolve(result)
    })
  })
}
