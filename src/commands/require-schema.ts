import type { OpenDatabase } from '../database/database.ts'
import { inspectSchema } from '../migrations/apply.ts'
import { readMigrations } from '../migrations/files.ts'

/** Rejects if the schema of the database is older than this release. */
export async function requireSchema(database: OpenDatabase): Promise<void> {
  const { found, pending } = await database.withClient((client) => inspectSchema(client, readMigrations()))
  if (pending.length > 0)
    throw new Error(
      `The schema is ${found === null ? 'missing' : `at ${found}, older than this release`}: run \`migrate\` first. (${database.where})`,
    )
}
