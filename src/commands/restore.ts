import { existsSync } from 'node:fs'
import { requireEmpty, restoreBackup } from '../backup/backup.ts'
import { BackupRefused, type Contents, readBackup } from '../backup/format.ts'
import type { Config } from '../config/config.ts'
import { bringUpOnce } from '../migrations/bring-up.ts'
import { compareVersions, readMigrations } from '../migrations/files.ts'
import { sayCounts } from './backup.ts'
import { openAlone } from './open-alone.ts'
import { say } from './say.ts'
import { UsageError } from './usage-error.ts'

/** Restores a backup into an empty database, after it has been checked as a whole. */
export async function restore(config: Config, file: string, { dryRun = false }: { dryRun?: boolean }): Promise<void> {
  if (file === '-') throw new UsageError('A restore needs a file, because it reads it twice: first to check it.')
  if (!existsSync(file)) throw new UsageError(`There is no file ${file}.`)
  const migrations = readMigrations()
  const checked = await readBackup(file)
  requireKnown(checked, file, migrations.at(-1)?.version ?? '')
  if (dryRun) {
    say(`${file} is complete and undamaged: ${describe(checked)}`)
    sayCounts(countsOf(checked))
    return
  }
  await openAlone(config.database, { makes: true }, async (database) => {
    await database.withClient(requireEmpty)
    const { pending } = await bringUpOnce(database, migrations, { mode: config.migrate, report: say })
    if (pending.length > 0)
      throw new Error(
        `The schema lacks ${pending.map(({ script }) => script).join(', ')}: apply it first, as MIGRATE is check.`,
      )
    const restored = await database.withClient((client) => restoreBackup(client, file))
    say(`${file} is restored, and every row was compared: ${database.where}`)
    say(`It is ${describe(restored)}.`)
    sayCounts(countsOf(restored))
    say('It has no stored answers: a request that is repeated with its Idempotency-Key is carried out again.')
  })
}

function requireKnown({ header: { schema, release } }: Contents, file: string, newest: string): void {
  if (compareVersions(schema, newest) > 0)
    throw new BackupRefused(
      `${file} has the schema ${schema}, newer than this release, which ends at ${newest}: restore it with release ${release} or later.`,
    )
}

const describe = ({ header: { at, release, schema, postgres } }: Contents) =>
  `the data of ${at}, written by release ${release} with schema ${schema} on Postgres ${postgres}`

const countsOf = ({ tables }: Contents) => Object.fromEntries(tables.map(({ name, count }) => [name, count]))
