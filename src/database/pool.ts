import { setTimeout as sleep } from 'node:timers/promises'
import type { PostgresPool } from 'kysely'
import type pg from 'pg'
import { beginStatement } from '../tracing.ts'
import { isOfSchema, isOfStorage, isSqlError, NotDone, Overloaded, QueryTimeout, Unreachable } from './errors.ts'
import { beginning, type Fate, fateOf, isRead, isWrite } from './fate.ts'
import { measured } from './pool-metrics.ts'

/** The most callers that may wait for a connection. */
const maxWaiting = 1000

/** How long a connection is waited for, in milliseconds: another second where the server refuses to open one. */
const longestCheckOut = 1000

/** How long the pool does not grow after the server refused another connection, in milliseconds. */
const growthPause = 5000

export interface Statement {
  text: string
  values: readonly unknown[]
}

type Rejected = Statement & { code: string }

/** Sends one statement by itself. */
type Ask = (text: string, values?: readonly unknown[]) => Promise<pg.QueryResult>

/** Sends it for the first time or as a repetition, with an answer expected before then (a time of `performance.now()`). */
type Attempt = (statement: Statement, until: number, repetition?: number) => Promise<pg.QueryResult>

/** A pool for Kysely; `ask` sends one statement by itself. */
export interface ReliablePool extends PostgresPool {
  /** For a caller who waits until then (a time of `performance.now()`); by default as long as `deadline` says. */
  connect: (until?: number) => ReturnType<PostgresPool['connect']>
  deadline: number
  ask: Ask
  /** The last statements that Postgres rejected for a reason that may concern every caller, with the SQLSTATE. */
  rejected: { schema?: Rejected | undefined; storage?: Rejected | undefined }
}

interface Options {
  /** What the metrics call the pool. */
  name?: string
  /** Names of the statements that each connection prepares, by their text. */
  names?: ReadonlyMap<string, string>
  /**
   * How long a caller waits at most, in milliseconds: for a connection and for the answers to all that it sends over it,
   * repetitions included.
   */
  deadline?: number
  /** The same for each statement, where there is no `deadline` for all. */
  deadlineOfEach?: number
  /** Those of another pool of the same database, to have them in common. */
  rejected?: ReliablePool['rejected']
}

/**
 * A pool that closes a connection after any failure but a rejected statement. A statement outside a transaction is
 * repeated where that is safe: over another connection if it only reads or had no effect, over the same one after a
 * deadlock or a serialization failure.
 */
export function reliable(
  pool: pg.Pool,
  {
    name = 'requests',
    names,
    deadline = Number.POSITIVE_INFINITY,
    deadlineOfEach = deadline,
    rejected = {},
  }: Options = {},
): ReliablePool {
  const measures = measured(pool, name)
  const connections = new WeakMap<pg.PoolClient, Connection>() // one for each, as Kysely keeps something for each
  const checkOut = checkOutOf(pool)
  const connect = async (until: number) => {
    if (pool.waitingCount >= maxWaiting) throw new Overloaded()
    const begun = performance.now()
    const isHurried = until < begun + 2 * longestCheckOut
    const client = await (isHurried ? inTime(until, checkOut()) : checkOut())
    const connection = connections.get(client) as Connection
    measures.wait.observe((performance.now() - begun) / 1000)
    connection.answerBefore(until)
    return connection
  }
  const attempt: Attempt = async (statement, until, repetition) => {
    const { send, release } = await connect(until)
    return send(statement, repetition).finally(release)
  }
  pool.on('error', () => {}) // an idle connection died: the pool has dropped it, and no request notices
  pool.on('connect', (client) => {
    client.on('error', () => {}) // one in use: its query rejects
    connections.set(client, connectionOver(client, { names, deadlineOfEach, rejected, attempt, measures }))
  })
  return {
    connect: ((until = performance.now() + deadline) => connect(until)) as unknown as ReliablePool['connect'],
    deadline,
    async end() {
      measures.end()
      if (!pool.ending) await pool.end()
    },
    ask: (text, values = []) => attempt({ text, values }, performance.now() + deadline),
    rejected,
  }
}

/**
 * Checks a connection out. If the server refuses to open another one, the caller waits for one that the pool already
 * has; if the pool has none, it tries again for a second.
 */
function checkOutOf(pool: pg.Pool): () => Promise<pg.PoolClient> {
  const { max } = pool.options
  let growing: NodeJS.Timeout | undefined
  return async () => {
    const until = performance.now() + longestCheckOut
    for (;;) {
      try {
        return await pool.connect()
      } catch (error) {
        if (isLateForConnection(error)) throw new Overloaded()
        const isRefused = isSqlError(error) && error.code === '53300'
        if (!isRefused || performance.now() > until) throw new Unreachable(error)
        pool.options.max = Math.max(1, pool.totalCount)
        clearTimeout(growing)
        growing = setTimeout(() => (pool.options.max = max), growthPause).unref()
        if (pool.totalCount === 0) await sleep(50)
      }
    }
  }
}

/**
 * The connection, if it comes by then, a time of `performance.now()`; one that comes later goes back to the pool. Throws
 * {@link Overloaded} otherwise.
 */
export const inTime = <T extends { release: () => void }>(until: number, connection: Promise<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      reject(new Overloaded())
    }, until - performance.now())
    connection.then((connection) => {
      clearTimeout(timer)
      if (isLate) connection.release()
      else resolve(connection)
    }, reject)
  })

/** Whether pg-pool waited in vain for one of its connections, all of which are in use or being opened. */
const isLateForConnection = (error: unknown) =>
  error instanceof Error && error.message === 'timeout exceeded when trying to connect'

type Connection = ReturnType<typeof connectionOver>

interface Surroundings {
  names: Options['names']
  deadlineOfEach: number
  rejected: ReliablePool['rejected']
  /** Sends a statement over another connection. */
  attempt: Attempt
  measures: ReturnType<typeof measured>
}

function connectionOver(client: pg.PoolClient, { names, deadlineOfEach, rejected, attempt, measures }: Surroundings) {
  let loss: Fate['loss']
  let until = Number.POSITIVE_INFINITY
  let statements = 0
  let isOpen = false // in a transaction whose COMMIT was not sent
  let isReleased = false

  const send = async ({ text, values }: Statement, repetition = 0): Promise<pg.QueryResult> => {
    if (loss) throw loss // a ROLLBACK would only wait for a dead connection
    const begun = performance.now()
    const remaining = Math.min(until - begun, deadlineOfEach)
    if (remaining <= 0) {
      loss = new NotDone(new QueryTimeout(deadlineOfEach))
      throw loss
    }
    statements += 1
    isOpen = beginning.test(text) || (isOpen && !/^commit\b/i.test(text))
    const endSpan = beginStatement(text)
    try {
      const query = { name: names?.get(text), text, values: values as unknown[] }
      const result = await answer(client, query, remaining, () => new QueryTimeout(remaining))
      measures.operation.observe((performance.now() - begun) / 1000)
      endSpan?.()
      if (rejected.storage && isRefuted(rejected.storage, text, result)) rejected.storage = undefined
      return result
    } catch (error) {
      measures.operation.observe((performance.now() - begun) / 1000)
      endSpan?.(error)
      if (isOfSchema(error)) rejected.schema = { text, values, code: error.code }
      if (isOfStorage(error) && !(isRead(text) && isWrite(rejected.storage?.text ?? '')))
        rejected.storage = { text, values, code: error.code } // a read that fails says less than a write that did
      const fate = fateOf(error, text, isOpen)
      loss = fate.loss
      if (statements > 1 || repetition >= fate.repetitions) throw loss ?? error
      statements = 0
      if (!loss) return send({ text, values }, repetition + 1)
      client.release(loss) // before waiting for another one
      isReleased = true
      return attempt({ text, values }, until, repetition + 1)
    }
  }
  return {
    send,
    query: (text: string, values: readonly unknown[]) => send({ text, values }),
    answerBefore(time: number) {
      until = time
    },
    release() {
      if (!isReleased) client.release(loss)
      statements = 0
      isOpen = false
    },
  }
}

/** Whether this result shows that not every caller meets the fault: a write succeeded, or the same statement did. */
const isRefuted = (fault: Statement, text: string, { rowCount }: pg.QueryResult) =>
  text === fault.text || (isWrite(fault.text) && isWrite(text) && rowCount !== 0)

/**
 * Sends one statement. It uses a callback and its own timer, because pg's promises and query_timeout keep each result
 * in memory until the next full garbage collection: they store a closure in a property, which V8 allocates as old.
 */
function answer(
  client: pg.PoolClient,
  query: pg.QueryConfig,
  milliseconds: number,
  late: () => Error,
): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    const timer = Number.isFinite(milliseconds) ? setTimeout(() => reject(late()), milliseconds) : undefined
    void client.query(query, (error, result) => {
      clearTimeout(timer)
      if (error) reject(error)
      else resolve(result)
    })
  })
}
