import type { Config } from '../config/config.ts'
import type { Admit, OpenDatabase } from './database.ts'
import { openEmbedded } from './embedded.ts'
import { openPostgres } from './postgres.ts'

/**
 * Opens the server or the embedded folder that the settings name. A server is not contacted before the first query.
 * `admit` runs before each query and throws where it may not be made yet.
 */
export async function openDatabase(settings: Config['database'], admit: Admit = () => {}): Promise<OpenDatabase> {
  // Wherever its options are silent, pg reads PGSSLMODE and other variables by itself. Only our settings count.
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name]
  return settings.kind === 'server' ? openPostgres(settings, admit) : openEmbedded(settings.folder, admit)
}
