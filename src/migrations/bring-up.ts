import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config.ts'
import type { OpenDatabase } from '../database/database.ts'
import { isPassing, isSqlError, reason, Unreachable } from '../database/errors.ts'
import { inspectSchema, migrate } from './apply.ts'
import { type Migration, MigrationError } from './files.ts'
import type { SchemaStatus } from './history.ts'

interface Tell {
  /** What the schema is before and after each attempt. */
  status: (status: SchemaStatus) => void
  say: (line: string) => void
}
interface BringUp extends Tell {
  mode: Config['migrate']
}

/** The database, or its schema, is not such that waiting could help; the message says what would. */
export class DatabaseRefused extends Error {}

/** Looks once, and applies what is missing unless told not to. Throws {@link DatabaseRefused}, or what may pass by itself. */
export function bringUpOnce(
  database: OpenDatabase,
  migrations: Migration[],
  { mode = 'on', status: tell = () => {}, say = () => {} }: Partial<BringUp> = {},
): Promise<SchemaStatus> {
  return database
    .withClient(async (client) => {
      const before = await inspectSchema(client, migrations)
      tell(before)
      if (before.pending.length === 0 || mode === 'check') return before
      await migrate(client, migrations, say)
      const after = await inspectSchema(client, migrations)
      tell(after)
      return after
    })
    .catch((error) => {
      throw asRefusal(error) ?? error
    })
}

/** Tries until the schema is the expected one. Throws {@link DatabaseRefused}. */
export async function bringUp(database: OpenDatabase, migrations: Migration[], how: BringUp): Promise<void> {
  let said = { line: '', at: 0 }
  for (let attempt = 1; ; attempt++) {
    let line: string
    try {
      const status = await bringUpOnce(database, migrations, how)
      if (status.pending.length === 0) return
      line = `Waiting for migrations: the schema is at ${status.found ?? 'nothing'} and lacks ${status.pending.map(({ script }) => script).join(', ')}. MIGRATE=check leaves them to another tool.`
    } catch (error) {
      if (error instanceof DatabaseRefused) throw error
      line = `Waiting for the database, ${database.where}: ${reason(error instanceof Unreachable ? error.cause : error)}.`
    }
    if (line !== said.line || Date.now() - said.at > 30_000) {
      how.say(line)
      said = { line, at: Date.now() }
    }
    await sleep(Math.min(1000, 50 * 2 ** attempt) * (0.5 + Math.random() / 2))
  }
}

function asRefusal(error: unknown): DatabaseRefused | undefined {
  if (error instanceof MigrationError) return new DatabaseRefused(error.message)
  if (!isSqlError(error) || isPassing(error)) return undefined
  const hint = {
    '28P01': ' Check POSTGRES_USER and POSTGRES_PASSWORD.',
    '28000': " Check POSTGRES_USER, and the server's pg_hba.conf.",
    '3D000': ' Create it, or check POSTGRES_DB.',
    '42501': ' Grant it, or let a role that may do so run `npm run migrate`.',
  }[error.code]
  return new DatabaseRefused(`The database refuses: ${error.message} (SQLSTATE ${error.code}).${hint ?? ''}`)
}
