import type { Config } from '../config/config.ts'
import { openDatabase } from '../database/open.ts'
import { bringUpOnce } from '../migrations/bring-up.ts'
import { readMigrations } from '../migrations/files.ts'

/** Applies the missing migrations, and reports them on stdout. */
export async function migrate(config: Config): Promise<void> {
  const report = (line: string) => process.stdout.write(`${line}\n`)
  const migrations = readMigrations()
  const database = await openDatabase(config.database, undefined, { info: report, warn: report })
  try {
    const { found } = await bringUpOnce(database, migrations, { report })
    report(`The schema is at ${found}: ${database.where}.`)
  } finally {
    await database.close()
  }
}
