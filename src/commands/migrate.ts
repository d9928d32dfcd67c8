import type { Config } from '../config.ts'
import { bringUpOnce } from '../database/bring-up.ts'
import { openDatabase } from '../database/database.ts'
import { readMigrations } from '../database/migrations.ts'

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
