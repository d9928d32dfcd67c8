import { resolve } from 'node:path'
import pg from 'pg'
import { to } from 'pg-copy-streams'
import { beginStatement } from '../tracing.ts'
import { type Admit, kyselyOver, type OpenDatabase } from './database.ts'
import { Engine } from './embedded-engine.ts'
import type { Report } from './embedded-folder.ts'
import { EmbeddedStream } from './embedded-stream.ts'
import { ConnectionLost, isSqlError, NotDone } from './errors.ts'
import { gatherFor } from './gather.ts'
import { Notices } from './listen.ts'
import { inTime, reliable } from './pool.ts'
import { sessionStatements } from './session.ts'
import { statementNames } from './statement.ts'
import { findTrouble } from './trouble.ts'
import { typeParsers } from './type-parsers.ts'

const second = 1000

/** How long a statement of a request may take, in milliseconds: as long as on a server. */
const maxStatement = 4.5 * second

/** The same for work that takes long. */
const maxBulkStatement = 59 * second

/** How long a request may wait for the one connection: longer than another's statement, and the restart after it. */
const maxWait = maxStatement + 3 * second

/**
 * The embedded database (Postgres compiled to WebAssembly) over a folder that this process alone holds.
 * It has one connection, and writes survive a crash of the process, though perhaps not a loss of power.
 */
export function embedded(path: string, admit: Admit, report: Report): OpenDatabase {
  const folder = resolve(path)
  const engine = new Engine(folder, sessionStatements, report)
  const opening = new Opening(engine)
  const pool = new pg.Pool({
    stream: () => new EmbeddedStream(engine, opening.done),
    user: 'postgres',
    database: 'postgres',
    onConnect: (client) => client.query(sessionStatements),
    types: typeParsers,
    max: 1,
    idleTimeoutMillis: 0,
  })
  pool.on('acquire', () => {
    engine.limit = maxStatement
  })
  const listeners: { channel: string; notices: Notices }[] = []
  pool.on('connect', (client) =>
    client.on('notification', (notice) => {
      for (const { channel, notices } of listeners) if (channel === notice.channel) notices.add()
    }),
  )
  const connections = reliable(pool, { names: statementNames })
  const connect = (until = performance.now() + maxWait) => inTime(until, connections.connect())
  const db = kyselyOver({ ...connections, connect, deadline: maxWait }, admit)
  gatherFor(db, { longestWait: maxWait })
  const connectForLong = async () => {
    const connection = await connect()
    engine.limit = maxBulkStatement
    return connection
  }
  const startListening = (channel: string, notices: Notices) =>
    pool.query(`listen ${channel}`).then(
      () => {
        notices.add()
        notices.complete(Number.POSITIVE_INFINITY)
      },
      () => {}, // closed already
    )
  engine.onEnd = () => {
    for (const { notices } of listeners) notices.complete(0)
  }
  engine.onRestart = () => {
    for (const { channel, notices } of listeners) void startListening(channel, notices)
  }
  return {
    db,
    where: `embedded Postgres in ${folder}`,
    claim: () => engine.claim(),
    open: () => opening.begin(),
    announce: (url) => engine.announce(url),
    async findTrouble() {
      if (!opening.isDone) return { database: 'its folder is not open yet' }
      // While a batch uses the one connection, the probe would wait, although statements are being answered.
      const { schema, storage } = connections.rejected
      const isBusy = pool.idleCount === 0 && performance.now() - engine.answered < second
      return isBusy && !schema && !storage ? {} : findTrouble(connections, { pool: connections, db })
    },
    async withClient(use) {
      const client = await pool.connect()
      engine.limit = Number.POSITIVE_INFINITY
      try {
        return await use(client)
      } finally {
        client.release()
      }
    },
    hasOneConnection: true,
    beside: db,
    patience: maxWait,
    connections: 1,
    bulk: kyselyOver({ ...connections, connect: connectForLong }, admit),
    async *copyOut(statement, signal) {
      admit()
      signal.throwIfAborted()
      const client = await pool.connect()
      engine.limit = maxBulkStatement
      const endSpan = beginStatement(statement)
      try {
        yield Buffer.concat(await client.query(to(statement)).toArray())
      } catch (error) {
        throw isSqlError(error) || error instanceof NotDone ? error : new ConnectionLost(error)
      } finally {
        endSpan?.()
        client.release()
      }
    },
    listen(channel) {
      const notices = new Notices()
      listeners.push({ channel, notices })
      void startListening(channel, notices)
      return notices
    },
    async close() {
      opening.end()
      const closed = connections.end()
      await engine.close() // which ends the statements that its connection would wait for
      await closed
    },
  }
}

/** The opening of an engine, for which connections wait. */
class Opening {
  readonly #engine: Engine
  #begun: Promise<void> | undefined
  #resolve: (opened: Promise<void>) => void = () => {}
  /** Rejects if it fails, or if it ends before it has begun. */
  readonly done = new Promise<void>((resolve) => {
    this.#resolve = resolve
  })
  isDone = false

  constructor(engine: Engine) {
    this.#engine = engine
    this.done.then(
      () => {
        this.isDone = true
      },
      () => {},
    )
  }

  begin(): Promise<void> {
    this.#begun ??= this.#engine.open()
    this.#resolve(this.#begun)
    return this.#begun
  }

  /** Whoever waits for an opening that has not begun waits no longer. */
  end(): void {
    this.#begun ??= Promise.reject(new Error('The database is closed.'))
    this.#resolve(this.#begun)
  }
}
