import type { PostgresPool } from 'kysely'
import type pg from 'pg'
import {
  ConnectionLost,
  isGivenUp,
  isSqlError,
  NotDone,
  Overloaded,
  QueryTimeout,
  type SqlError,
  Unreachable,
} from './errors.ts'

/** Postgres' classes of SQLSTATE after which a connection is of no more use: 08 connection, 57P shutdown. */
const fatal = /^(08|57P)/

/** Nor is it after this, but nothing was done: it is a standby by now. */
const standby = '25006'

/** The same: a prepared statement is gone, or has other columns. Likely the other connections lack theirs, too. */
const outdated = ['26000', '0A000']

/** How many may wait for a connection. */
const room = 1000

/** Sends one statement, for the first time or as a repetition. */
type Ask = (text: string, values: readonly unknown[], repetition?: number) => Promise<pg.QueryResult>

/** A pool for Kysely, and for single statements besides. */
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
 * A pool whose connections are thrown away once they fail in any way but a rejected statement. A statement by itself is
 * repeated where that is safe: over another connection if it only reads or had no effect, over the same one if Postgres
 * gave it up in favour of others.
 */
export function reliable(pool: pg.Pool, options: Options = {}): ReliablePool {
  const connections = new WeakMap<pg.PoolClient, Connection>() // one for each, as Kysely keeps something for each
  const connect = async () => {
    if (pool.waitingCount >= room) throw new Overloaded()
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
  let lost: ConnectionLost | NotDone | undefined
  let statements = 0
  let isReleased = false
  const query: Ask = async (text, values, repetition = 0) => {
    if (lost) throw lost // a ROLLBACK would only wait for the dead
    statements += 1
    try {
      return await answer(client, { name: names?.get(text), text, values: values as unknown[] }, deadline)
    } catch (error) {
      lost = lossOf(error, text)
      if (statements > 1 || repetition >= repetitionsAfter(lost ?? error, text)) throw lost ?? error
      statements = 0
      if (!lost) return query(text, values, repetition + 1)
      client.release(lost) // before another one is waited for
      isReleased = true
      return askAnother(text, values, repetition + 1)
    }
  }
  return {
    query,
    release() {
      if (!isReleased) client.release(lost)
      statements = 0
    },
  }
}

const isBegin = (text: string) => /^(begin|start transaction)\b/i.test(text)

/** What an error means for the connection, if it is not just the statement's own. */
function lossOf(error: unknown, text: string): ConnectionLost | NotDone | undefined {
  const code = isSqlError(error) ? error.code : undefined
  if (code && !fatal.test(code) && code !== standby && !outdated.includes(code)) return undefined
  return (code && !fatal.test(code)) || isBegin(text) ? new NotDone(error) : new ConnectionLost(error)
}

/** How often a statement by itself may be repeated that failed so. */
function repetitionsAfter(error: unknown, text: string): number {
  if (isBegin(text)) return 0 // what follows is for this connection
  if (isGivenUp(error)) return 3
  if (error instanceof NotDone) return outdated.includes((error.cause as SqlError).code) ? 10 : 1
  return error instanceof ConnectionLost && !error.timedOut && /^\s*select\b/i.test(text) ? 1 : 0
}

/**
 * Sends one statement. With a callback and a timer of its own, as pg's promises and its query_timeout keep each result in
 * memory until the next full garbage collection: they assign a closure to a property, which V8 allocates as old.
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
