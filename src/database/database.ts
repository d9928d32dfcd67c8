import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import type pg from 'pg'
import type { Notices } from './listen.ts'
import type { ReliablePool } from './pool.ts'
import type { Database } from './tables.ts'

/** A database that requests can use: a Postgres server, or the embedded one. */
export interface OpenDatabase {
  db: Database
  /** Where the data is, for people: a server's address or a folder. */
  where: string
  /** Whether it answers within a second and is not a standby. Not subject to admission. */
  takesWrites(): Promise<boolean>
  /** Runs `use` with one connection that has no deadlines, for migrations. */
  withClient<T>(use: (client: pg.ClientBase) => Promise<T>): Promise<T>
  /** Listens to a channel of NOTIFY until the database is closed; reports when that begins and ends. */
  listen: (channel: string, report: (line: string) => void) => Notices
  close(): Promise<void>
}

/** Throws where a query may not be made yet. */
export type Admit = () => void

export function kyselyOver({ connect, end }: ReliablePool, admit: Admit): Database {
  const pool: PostgresPool = {
    end,
    async connect() {
      admit()
      return connect()
    },
  }
  return new Kysely({ dialect: new PostgresDialect({ pool }) })
}

/** Whether it answers within a second and accepts writes. A session with a standby is replaced, as it may stay one. */
export function isPrimary(pool: ReliablePool): Promise<boolean> {
  const answer = pool.ask(rejectReadOnly, []).then(
    () => true,
    () => false,
  )
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, 1000, false).unref())
  return Promise.race([answer, late])
}

const rejectReadOnly = `do $$ begin
  if current_setting('transaction_read_only')::boolean then raise read_only_sql_transaction; end if;
end $$`
