import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientBase } from 'pg'
import type { Config } from '../config/config.ts'
import type { OpenDatabase } from '../database/database.ts'
import { isForbidden, isPassing, isSqlError, reason, Unreachable } from '../database/errors.ts'
import { inspectSchema, migrate } from './apply.ts'
import { type Migration, MigrationError } from './files.ts'
import { ask, type SchemaStatus } from './history.ts'

interface Options {
  /** `check` leaves the migrations to another tool. */
  mode: Config['migrate']
  /** Receives the status of the schema before and after each attempt. */
  onStatus: (status: SchemaStatus) => void
  /** Receives lines for the log. */
  report: (line: string) => void
}

/** Waiting cannot fix this; the message says what would. */
export class DatabaseRefused extends Error {}

/**
 * Checks the schema once and, unless the mode is `check`, applies the missing migrations. Throws {@link
 * DatabaseRefused} if waiting cannot help; rethrows any other error.
 */
export function bringUpOnce(
  database: OpenDatabase,
  migrations: Migration[],
  { mode = 'on', onStatus = () => {}, report = () => {} }: Partial<Options> = {},
): Promise<SchemaStatus> {
  return database
    .withClient(async (client) => {
      await checkEncoding(client)
      const before = await inspectSchema(client, migrations)
      onStatus(before)
      if (before.pending.length === 0 || mode === 'check') return before
      const forbidden = await migrate(client, migrations, report).catch((error) => {
        if (isForbidden(error)) return error as Error
        throw error
      })
      const after = await inspectSchema(client, migrations)
      onStatus(after)
      if (forbidden && after.pending.length > 0) throw await refusalFor(client, after, forbidden)
      return after
    })
    .catch((error) => {
      throw asRefusal(error) ?? error
    })
}

/** In another encoding than UTF-8 most of the world's addresses cannot be stored, and no upper bound sorts last. */
async function checkEncoding(client: ClientBase): Promise<void> {
  const [found] = await ask(client, "select current_setting('server_encoding') as encoding, current_database() as name")
  const { encoding, name } = found
  if (encoding !== 'UTF8')
    throw new DatabaseRefused(
      `The database ${name} is encoded in ${encoding}; this release needs UTF8. Create another one (create database homes encoding 'UTF8' template template0), and copy the data with pg_dump and psql.`,
    )
}

/** Names what this role may not apply, and why. */
async function refusalFor(client: ClientBase, { pending }: SchemaStatus, { message }: Error): Promise<DatabaseRefused> {
  const scripts = pending.map(({ script }) => script).join(', ')
  const [{ role }] = await ask(client, 'select current_user as role')
  return new DatabaseRefused(
    `The database lacks ${scripts}, which the role ${role} may not apply: ${message} (SQLSTATE 42501). Run \`npm run migrate\` as the role that owns the schema; with MIGRATE=check the API waits for that.`,
  )
}

/**
 * Tries until the schema is the expected one. `warn` receives a line for the log while that takes. Throws {@link
 * DatabaseRefused}.
 */
export async function bringUp(
  database: OpenDatabase,
  migrations: Migration[],
  { warn, ...options }: Options & { warn: (line: string) => void },
): Promise<void> {
  let reported = { line: '', at: 0 }
  for (let attempt = 1; ; attempt++) {
    let line: string
    try {
      const { found, pending } = await bringUpOnce(database, migrations, options)
      if (pending.length === 0) return
      const missing = pending.map(({ script }) => script).join(', ')
      line = `Waiting for another tool to apply ${missing}, because MIGRATE=check: the schema is at ${found ?? 'nothing'}.`
    } catch (error) {
      if (error instanceof DatabaseRefused || isOurs(error)) throw error
      line = `Waiting for the database, ${database.where}: ${reason(error instanceof Unreachable ? error.cause : error)}.`
    }
    if (line !== reported.line || Date.now() - reported.at > 30_000) {
      warn(line)
      reported = { line, at: Date.now() }
    }
    await sleep(Math.min(1000, 50 * 2 ** attempt) * (0.5 + Math.random() / 2))
  }
}

/** Whether the program is at fault, which waiting does not change. */
const isOurs = (error: unknown) => error instanceof TypeError || error instanceof ReferenceError

/** What an error means that waiting cannot fix; undefined for any other. */
export function asRefusal(error: unknown): DatabaseRefused | undefined {
  if (error instanceof MigrationError) return new DatabaseRefused(error.message)
  if (!isSqlError(error) || isPassing(error)) return undefined
  const hint = {
    '28P01': ' Check POSTGRES_USER and POSTGRES_PASSWORD.',
    '28000': " Check POSTGRES_USER, and the server's pg_hba.conf.",
    '3D000': ' Create it, or check POSTGRES_DB.',
    '42501': ' Grant the permission (db/roles.sql has what the API needs), or use a role that has it.',
  }[error.code]
  return new DatabaseRefused(`The database reports: ${error.message} (SQLSTATE ${error.code}).${hint ?? ''}`)
}
