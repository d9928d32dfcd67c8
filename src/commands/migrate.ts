import type { Config } from '../config.ts'
import { openDatabase } from '../database/open.ts'
import { bringUpOnce } from '../migrations/bring-up.ts'
import { readMigrations } from '../migrations/files.ts'

/** Applies what the database lacks, and tells it on stdout. */
export async function migrate(config: Config): Promise<void> {
  const say = (line: string) => process.stdout.write(`${line}\n`)
  const migrations = readMigrations()
  const database = await openDatabase(config.database)
  try {
    const { found } = await bringUpOnce(database, migrations, { say })
    say(`The schema is at ${found}: ${database.where}.`)
  } finally {
    await database.close()
  }
}
