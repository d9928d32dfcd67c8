import { existsSync } from 'node:fs'
import type { Config } from '../config/config.ts'
import type { OpenDatabase } from '../database/database.ts'
import { FolderInUse } from '../database/embedded-folder.ts'
import { isForbidden, reason } from '../database/errors.ts'
import { openDatabase } from '../database/open.ts'
import { say } from './say.ts'

interface Options {
  /** Whether an embedded database is made where there is none. */
  makes: boolean
}

/** Runs `work` on the database of these settings, which no other process may use if it is embedded. */
export async function openAlone<T>(
  settings: Config['database'],
  { makes }: Options,
  work: (database: OpenDatabase) => Promise<T>,
): Promise<T> {
  if (!makes && settings.kind === 'embedded' && !existsSync(settings.folder))
    throw new Error(`There is no database in ${settings.folder}: run \`migrate\` first, or set DATA_DIR.`)
  const database = await openDatabase(settings, undefined, { info: say, warn: say }).catch(stopFirst)
  try {
    return await work(database)
  } catch (error) {
    if (settings.kind === 'server' && isForbidden(error))
      throw new Error(
        `The role ${settings.user} may not do this (${reason(error)}): run the command with the settings of the role that owns the schema housing.`,
      )
    throw error
  } finally {
    await database.close()
  }
}

function stopFirst(error: unknown): never {
  if (!(error instanceof FolderInUse)) throw error
  throw new Error(
    `The embedded database serves one process at a time, and is in use by ${error.holder}. If that is the API, stop it, run this command again, and then start it.`,
  )
}
