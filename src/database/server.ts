import pg from 'pg'
import type { ServerSettings } from '../config.ts'
import { types } from './pool.ts'

const second = 1000

/** How long an answer is waited for, in milliseconds; who waits in vain gives up the connection. */
export const queryDeadline = 5 * second

/** A pool of connections to a Postgres server; none is made before the first query. */
export function openServer(settings: ServerSettings, { max = 10 } = {}): pg.Pool {
  return new pg.Pool({
    ...connection(settings),
    types,
    max,
    connectionTimeoutMillis: second,
    statement_timeout: queryDeadline - second / 2, // before the deadline, which costs the connection
    idle_in_transaction_session_timeout: 10 * second,
  })
}

/** One connection without deadlines, for migrations. */
export const migrationClient = (settings: ServerSettings): pg.Client =>
  new pg.Client({ ...connection(settings), connectionTimeoutMillis: 5 * second })

/** One connection to listen on; an answer that fails to come in time costs it. */
export const listeningClient = (settings: ServerSettings): pg.Client =>
  new pg.Client({
    ...connection(settings),
    application_name: 'sample-api listener',
    connectionTimeoutMillis: second,
    query_timeout: queryDeadline,
  })

function connection({ host, port, user, password, database, sslMode }: ServerSettings): pg.ClientConfig {
  return {
    host,
    port,
    user,
    password,
    database,
    ssl: sslMode !== 'disable' && { rejectUnauthorized: sslMode === 'verify-full' },
    application_name: 'sample-api',
    options: '-c TimeZone=UTC',
    keepAlive: true,
    keepAliveInitialDelayMillis: 10 * second,
  }
}
