import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import type pg from 'pg'
import type { Config } from '../config.ts'
import { openEmbedded } from './embedded.ts'
import { isSqlError, Unreachable } from './errors.ts'
import { gatherFor } from './gather.ts'
import { Listener, Notices } from './listen.ts'
import { type ReliablePool, reliable } from './pool.ts'
import { listeningClient, migrationClient, openServer, queryDeadline } from './server.ts'
import { statementNames } from './statement.ts'
import type { Tables } from './tables.ts'

/** Every query's first argument: the database, or a transaction standing in for it. */
export type Database = Kysely<Tables>

export interface OpenDatabase {
  db: Database
  /** Where the data is, for people: a server's address or a folder. */
  where: string
  /** Whether it answers within a second, and is no standby; admitted or not. */
  takesWrites(): Promise<boolean>
  /** Lends one connection without deadlines, for migrations. */
  withClient<T>(use: (client: pg.ClientBase) => Promise<T>): Promise<T>
  /** Listens to a channel of NOTIFY until the database is closed, and tells when that begins and ends. */
  listen: (channel: string, say: (line: string) => void) => Notices
  close(): Promise<void>
}

/**
 * Opens the server or the embedded folder that the settings name; a server is not contacted before the first query.
 * Each query is admitted first: `admit` throws where it may not be made yet.
 */
export async function openDatabase(settings: Config['database'], admit = () => {}): Promise<OpenDatabase> {
  if (settings.kind === 'server') {
    const pool = reliable(openServer(settings), { names: statementNames, deadline: queryDeadline })
    const probe = reliable(openServer(settings, { max: 1 }), { deadline: 1000 }) // does not wait behind requests
    const db = kysely(pool, admit)
    gatherFor(db)
    const listeners: Listener[] = []
    return {
      db,
      takesWrites: () => isPrimary(probe),
      where: `Postgres at ${settings.host}:${settings.port}, database ${settings.database}`,
      async withClient(use) {
        const client = migrationClient(settings)
        client.on('error', () => {}) // its query rejects
        try {
          await client.connect().catch((error) => {
            throw isSqlError(error) ? error : new Unreachable(error)
          })
          return await use(client)
        } finally {
          void client.end().catch(() => {})
        }
      },
      listen(name, say) {
        const listener = new Listener({
          name,
          connect: () => listeningClient(settings),
          notify: (payload) => pool.ask('select pg_notify($1, $2)', [name, payload]),
          say,
        })
        listeners.push(listener)
        return listener.notices
      },
      async close() {
        await Promise.all([probe.end(), ...listeners.map((listener) => listener.stop())])
        await db.destroy()
      },
    }
  }
  const { pool, folder, listen, close } = await openEmbedded(settings.folder)
  const connections = reliable(pool)
  const db = kysely(connections, admit)
  return {
    db,
    takesWrites: () => isPrimary(connections),
    where: `embedded Postgres in ${folder}`,
    async withClient(use) {
      const client = await pool.connect()
      try {
        return await use(client)
      } finally {
        client.release()
      }
    },
    listen(channel) {
      const notices = new Notices()
      listen(channel, () => notices.add()).then(
        () => notices.complete(Number.POSITIVE_INFINITY),
        () => {}, // closed already
      )
      return notices
    },
    async close() {
      await db.destroy()
      await close()
    },
  }
}

const kysely = ({ connect, end }: ReliablePool, admit: () => void): Database => {
  const pool: PostgresPool = {
    end,
    async connect() {
      admit()
      return connect()
    },
  }
  return new Kysely({ dialect: new PostgresDialect({ pool }) })
}

/** Whether it answers within a second, and would take a write. A session to a standby is replaced, as it may stay one. */
function isPrimary(pool: ReliablePool): Promise<boolean> {
  const answer = pool.ask(refuseReadOnly, []).then(
    () => true,
    () => false,
  )
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, 1000, false).unref())
  return Promise.race([answer, late])
}

const refuseReadOnly = `do $$ begin
  if current_setting('transaction_read_only')::boolean then raise read_only_sql_transaction; end if;
end $$`
