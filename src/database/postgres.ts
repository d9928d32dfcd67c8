import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { to } from 'pg-copy-streams'
import type { ServerSettings } from '../config/database-settings.ts'
import { readSecret } from '../config/environment.ts'
import { beginStatement } from '../tracing.ts'
import { type Admit, kyselyOver, type OpenDatabase } from './database.ts'
import { ConnectionLost, isSqlError, Unreachable } from './errors.ts'
import { gatherFor } from './gather.ts'
import { Listener } from './listen.ts'
import { type ReliablePool, reliable } from './pool.ts'
import { checkSession, sessionOptions } from './session.ts'
import { statementNames } from './statement.ts'
import { findTrouble } from './trouble.ts'
import { typeParsers } from './type-parsers.ts'
import { socketOf, watchOver } from './watch.ts'

const second = 1000

/** How long a caller waits, in milliseconds; after that its connection is given up. */
const queryDeadline = 5 * second

/** The same for one statement of work that takes long. */
const bulkDeadline = 60 * second

/** How long a stop waits for statements whose requests were cut off, in milliseconds. */
const maxClosing = 2 * second

/** A Postgres server, which is not contacted before the first query. */
export function openPostgres(settings: ServerSettings, admit: Admit): OpenDatabase {
  const pool = reliable(openPool(settings), { names: statementNames, deadline: queryDeadline })
  // The probe does not wait behind requests, nor for locks.
  const probe = reliable(openPool(settings, { max: 1, options: `${sessionOptions} -c lock_timeout=100` }), {
    name: 'probe',
    deadline: second,
  })
  const beside = reliable(openPool(settings, { max: 5 }), {
    name: 'beside',
    names: statementNames,
    deadline: queryDeadline,
    rejected: pool.rejected,
  })
  const bulk = reliable(openPool(settings, { max: 2, statement_timeout: bulkDeadline - second }), {
    name: 'bulk',
    deadlineOfEach: bulkDeadline,
  })
  const db = kyselyOver(pool, admit)
  gatherFor(db, { longestWait: queryDeadline - 2 * second })
  const listeners: Listener[] = []
  return {
    db,
    where: `Postgres at ${settings.host}:${settings.port}, database ${settings.database}`,
    async claim() {},
    async open() {},
    announce() {},
    findTrouble: () => findTrouble(probe, { pool, db }),
    async withClient(use) {
      const { client, end } = await connectAlone(settings, probe)
      try {
        return await use(client)
      } finally {
        end()
      }
    },
    hasOneConnection: false,
    beside: kyselyOver(beside, admit),
    patience: second,
    connections: settings.connections,
    bulk: kyselyOver(bulk, admit),
    async *copyOut(statement, signal) {
      admit()
      const { client, pid, end } = await connectAlone(settings, probe, `-c lock_timeout=${queryDeadline}`)
      const cut = () => socketOf(client).destroy()
      signal.addEventListener('abort', cut)
      const endSpan = beginStatement(statement)
      let isComplete = false
      try {
        signal.throwIfAborted()
        yield* client.query(to(statement))
        isComplete = true
      } catch (error) {
        signal.throwIfAborted()
        throw isSqlError(error) ? error : new ConnectionLost(error)
      } finally {
        signal.removeEventListener('abort', cut)
        end()
        endSpan?.(!isComplete)
        if (!isComplete) {
          cut()
          // Postgres may be waiting, and does not notice that nobody is there.
          await probe.ask('select pg_cancel_backend($1)', [pid]).catch(() => {})
        }
      }
    },
    listen(name, report) {
      const listener = new Listener({
        name,
        connect: () => listeningClient(settings),
        notify: (payload) => pool.ask('select pg_notify($1, $2)', [name, payload]),
        report,
      })
      listeners.push(listener)
      return listener.notices
    },
    async close() {
      await Promise.all([probe.end(), ...listeners.map((listener) => listener.stop())])
      const closed = Promise.all([pool, beside, bulk].map((pool) => pool.end()))
      await Promise.race([closed, sleep(maxClosing, undefined, { ref: false })])
    },
  }
}

/** A connection without deadlines, which does not wait for a server that no longer works on its statement. */
async function connectAlone(settings: ServerSettings, probe: ReliablePool, options = '') {
  const client = new pg.Client({
    ...connection(settings),
    options: `${sessionOptions} -c statement_timeout=0 -c idle_in_transaction_session_timeout=0 ${options}`,
    connectionTimeoutMillis: 5 * second,
  })
  client.on('error', () => {}) // its query rejects
  try {
    await client.connect().catch((error) => {
      throw isSqlError(error) ? error : new Unreachable(error)
    })
    const { pid, endWatch } = await watchOver(client, probe)
    return {
      client,
      pid,
      end() {
        endWatch()
        void client.end().catch(() => {})
      },
    }
  } catch (error) {
    void client.end().catch(() => {})
    throw error
  }
}

/** A pool of connections; none is made before the first query. */
export function openPool(settings: ServerSettings, options: pg.PoolConfig = {}): pg.Pool {
  return new pg.Pool({
    ...connection(settings),
    types: typeParsers,
    max: settings.connections,
    onConnect: checkSession,
    connectionTimeoutMillis: second,
    statement_timeout: queryDeadline - second / 2, // before the deadline, which costs the connection
    idle_in_transaction_session_timeout: 10 * second,
    ...options,
  })
}

/** One connection to listen on; an answer that does not come in time costs it. */
const listeningClient = (settings: ServerSettings): pg.Client =>
  new pg.Client({
    ...connection(settings),
    application_name: 'sample-api listener',
    connectionTimeoutMillis: second,
    query_timeout: queryDeadline,
  })

function connection({ host, port, user, database, sslMode, ...settings }: ServerSettings): pg.ClientConfig {
  return {
    host,
    port,
    user,
    password: () => currentPassword(settings),
    database,
    ssl: sslMode !== 'disable' && { rejectUnauthorized: sslMode === 'verify-full' },
    application_name: 'sample-api',
    client_encoding: 'UTF8',
    options: sessionOptions,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10 * second,
  }
}

/** The password as its file has it now; while that cannot be read, as it was at the start. */
function currentPassword({ password, passwordFile }: Pick<ServerSettings, 'password' | 'passwordFile'>): string {
  if (passwordFile === undefined) return password
  try {
    return readSecret(passwordFile) || password
  } catch {
    return password
  }
}
