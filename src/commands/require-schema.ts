import type { OpenDatabase } from '../database/database.ts'
import { inspectSchema } from '../migrations/apply.ts'
import { readMigrations } from '../migrations/files.ts'

/** The version of the schema. Rejects if it is older than this release. */
export async function requireSchema(database: OpenDatabase): Promise<string> {
  const { found, pending } = await database.withClient((client) => inspectSchema(client, readMigrations()))
  if (pending.length > 0 || found === null)
    throw new Error(
      `The schema is ${found === null ? 'missing' : `at ${found}, older than this release`}: run \`migrate\` first. (${database.where})`,
    )
  return found
}
