import type { PostgresPool } from 'kysely'
import pg from 'pg'
import { ConnectionLost, isSqlError, QueryTimeout, Unreachable } from './errors.ts'

/** Postgres' classes of SQLSTATE after which a connection is of no more use: 08 connection, 57P shutdown. */
const fatal = /^(08|57P)/

/** Nor is it after these, but nothing was done: a prepared statement is gone or has other columns, or it is a standby. */
const nothingDone = /^(26000|0A000|25006)$/

/** What a pool gives: to Kysely its connections, to others one answer. */
export interface ReliablePool extends PostgresPool {
  ask(text: string, values?: unknown[]): Promise<pg.QueryResult>
}

/**
 * A pool whose connections are thrown away once they fail in any way but a refused statement, also when an answer takes
 * longer than the deadline (in milliseconds). Each prepares the statements that have a name (by their text) once.
 */
export function reliable(
  pool: pg.Pool,
  { names, deadline }: { names?: ReadonlyMap<string, string>; deadline?: number } = {},
): ReliablePool {
  const connections = new WeakMap<pg.PoolClient, Connection>() // one for each, as Kysely keeps something for each
  pool.on('error', () => {}) // an idle connection died: the pool has dropped it, and no request notices
  pool.on('connect', (client) => {
    client.on('error', () => {}) // one in use: its query rejects
    connections.set(client, connectionOver(client, names, deadline))
  })
  const connect = async () => {
    const client = await pool.connect().catch((error) => {
      throw new Unreachable(error)
    })
    return connections.get(client) as Connection
  }
  return {
    connect: connect as unknown as PostgresPool['connect'],
    end: () => pool.end(),
    async ask(text, values = []) {
      const { query, release } = await connect()
      return query(text, values).finally(release)
    },
  }
}

type Connection = ReturnType<typeof connectionOver>

function connectionOver(client: pg.PoolClient, names?: ReadonlyMap<string, string>, deadline?: number) {
  let lost: ConnectionLost | Unreachable | undefined
  return {
    async query(text: string, values: readonly unknown[]): Promise<pg.QueryResult> {
      if (lost) throw lost // a ROLLBACK would only wait for the dead
      try {
        return await answer(client, { name: names?.get(text), text, values: values as unknown[] }, deadline)
      } catch (error) {
        const code = isSqlError(error) ? error.code : undefined
        if (code && !fatal.test(code) && !nothingDone.test(code)) throw error
        lost = code && nothingDone.test(code) ? new Unreachable(error) : new ConnectionLost(error)
        throw lost
      }
    },
    release: () => client.release(lost),
  }
}

/**
 * Sends one statement. With a callback and a timer of its own, as pg's promises and its query_timeout keep each result in
 * memory until the next full garbage collection: they assign a closure to a property, which V8 allocates as old.
 */
function answer(client: pg.PoolClient, query: pg.QueryConfig, deadline: number | undefined): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    const timer = deadline && setTimeout(() => reject(new QueryTimeout(deadline)), deadline)
    client.query(query, (error, result) => {
      clearTimeout(timer)
      if (error) reject(error)
      else resolve(result)
    })
  })
}

const { TIMESTAMPTZ } = pg.types.builtins

/** Timestamps become RFC 3339 text, to the millisecond (sessions are in UTC); all other types as pg reads them. */
export const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text') =>
    oid === TIMESTAMPTZ ? rfc3339 : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}

/** `2026-11-22 18:03:11.48+00` becomes `2026-11-22T18:03:11.480Z`. */
function rfc3339(text: string): string {
  // A pooler may have kept our time zone from the session.
  if (!text.endsWith('+00')) return new Date(text.replace(' ', 'T').replace(/[+-]\d\d$/, '$&:00')).toISOString()
  const millis = text.slice(20, text.length - 3).slice(0, 3)
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${millis.padEnd(3, '0')}Z`
}
