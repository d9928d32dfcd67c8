import type { Config } from '../config/config.ts'
import type { Admit, OpenDatabase } from './database.ts'
import { embedded } from './embedded.ts'
import type { Report } from './embedded-folder.ts'
import { openPostgres } from './postgres.ts'

const noReport: Report = { info() {}, warn() {} }

/**
 * The server or the embedded folder that the settings name. A server is not contacted before the first query, and a
 * folder not touched before `open`. `admit` runs before each query and throws where it may not be made yet.
 */
export function databaseOf(
  settings: Config['database'],
  admit: Admit = () => {},
  report: Report = noReport,
): OpenDatabase {
  return settings.kind === 'server' ? openPostgres(settings, admit) : embedded(settings.folder, admit, report)
}

/** The same, already open. */
export async function openDatabase(
  settings: Config['database'],
  admit?: Admit,
  report?: Report,
): Promise<OpenDatabase> {
  const database = databaseOf(settings, admit, report)
  await database.open()
  return database
}
