import { Kysely, PostgresDialect } from 'kysely'
import type pg from 'pg'
import { setDeadline } from './deadline.ts'
import type { Notices } from './listen.ts'
import type { ReliablePool } from './pool.ts'
import type { Database, Tables } from './tables.ts'

/** A database that requests can use: a Postgres server, or the embedded one. */
export interface OpenDatabase {
  db: Database
  /** Where the data is, for people: a server's address or a folder. */
  where: string
  /** Locks and checks the folder of the embedded database, if it exists. */
  claim(): Promise<void>
  /** Opens that folder, which takes seconds the first time; all queries wait for it. A server needs neither. */
  open(): Promise<void>
  /** Tells commands that find the folder in use where the API over it listens. */
  announce(url: string): void
  /** Finds within a second or so what keeps requests from reading and writing. Not subject to admission. */
  findTrouble(): Promise<Trouble>
  /** Runs `use` with one connection that has no deadlines, for migrations. */
  withClient<T>(use: (client: pg.ClientBase) => Promise<T>): Promise<T>
  /** Whether all share one connection, so that whoever holds it delays the others. */
  hasOneConnection: boolean
  /**
   * The same database for what does not touch the table of the houses: callers, reads of housing types and history, the
   * feed. A server gives it connections of its own, so that they go on while all of `db` wait for that table.
   */
  beside: Database
  /** How long a request may wait behind others until it asks the database itself, in milliseconds. */
  patience: number
  /** How many connections `db` has. */
  connections: number
  /** The same database for work that takes long: a server gives it connections of its own, without a common deadline. */
  bulk: Database
  /**
   * What a `copy … to stdout` sends. A server sends it as it is read, over a connection of its own that ends with it;
   * the embedded database sends it as a whole. Rejects soon after `signal` is aborted.
   */
  copyOut(statement: string, signal: AbortSignal): AsyncIterable<Buffer>
  /** Listens to a channel of NOTIFY until the database is closed; reports when that begins and ends. */
  listen: (channel: string, report: (line: string) => void) => Notices
  close(): Promise<void>
}

/** What keeps requests from reading and writing, as sentences for operators; undefined where nothing does. */
export interface Trouble {
  database?: string | undefined
  schema?: string | undefined
}

/** Throws where a query may not be made yet. */
export type Admit = () => void

export function kyselyOver({ connect, end, deadline }: ReliablePool, admit: Admit): Database {
  const over = (until?: number) => {
    const admitted = async () => {
      admit()
      return connect(until)
    }
    return new Kysely<Tables>({ dialect: new PostgresDialect({ pool: { end, connect: admitted } }) })
  }
  return setDeadline(over(), { deadline, endingBy: over })
}
