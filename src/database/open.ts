import type { Config } from '../config/config.ts'
import type { Admit, OpenDatabase } from './database.ts'
import { openEmbedded } from './embedded.ts'
import { openPostgres } from './postgres.ts'

/**
 * Opens the server or the embedded folder that the settings name. A server is not contacted before the first query.
 * `admit` runs before each query and throws where it may not be made yet.
 */
export const openDatabase = async (settings: Config['database'], admit: Admit = () => {}): Promise<OpenDatabase> =>
  settings.kind === 'server' ? openPostgres(settings, admit) : openEmbedded(settings.folder, admit)
