import { type Config, ConfigError } from '../config/config.ts'
import type { OpenDatabase } from '../database/database.ts'
import { reason, Unreachable } from '../database/errors.ts'
import { openDatabase } from '../database/open.ts'
import { asRefusal } from '../migrations/bring-up.ts'
import { readMigrations } from '../migrations/files.ts'
import { checks } from './doctor/checks.ts'
import { type Finding, failed, type Outcome, ok, skipped } from './doctor/findings.ts'
import { checkDisk, examineFolder } from './doctor/folder.ts'
import { findServer } from './doctor/queries.ts'

/** Examines settings and database, and changes nothing. The exit code is 1 if a check fails. */
export async function doctor(readSettings: () => Config, { json = false }: { json?: boolean }): Promise<void> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error // a reader may leave early, as `head` does
  })
  const findings: Finding[] = []
  for await (const finding of examine(readSettings)) {
    findings.push(finding)
    if (!json) process.stdout.write(`${asText(finding)}\n`)
  }
  const isSound = findings.every(({ status }) => status !== 'failed')
  if (json) process.stdout.write(`${JSON.stringify({ ok: isSound, checks: findings }, null, 2)}\n`)
  if (!isSound) process.exitCode = 1
}

/** A line, and what to do below it. */
function asText({ check, status, detail, remedy }: Finding): string {
  const line = `${status.padEnd('skipped'.length)}  ${check.padEnd('migrations'.length)}  ${visible(detail)}.`
  const todo = remedy?.split('\n').map((each) => `${' '.repeat(21)}→ ${visible(each)}`) ?? []
  return [line.replace(/([.:])\.$/, '$1'), ...todo].join('\n')
}

/** Names in a database may contain characters that command a terminal. */
const visible = (text: string) => text.replace(/\p{C}/gu, '?')

async function* examine(readSettings: () => Config): AsyncGenerator<Finding> {
  let config: Config
  try {
    config = readSettings()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    yield { check: 'settings', ...failed(error.message.replace(/\s*\n\s*/g, ' ')) }
    yield* withoutDatabase('the settings are invalid')
    return
  }
  const { database: settings, warnings } = config
  yield {
    check: 'settings',
    ...(warnings.length > 0
      ? { status: 'warning', detail: 'The settings are valid, but risky', remedy: warnings.join('\n') }
      : ok('The settings are valid')),
  }
  if (settings.kind === 'server') {
    const database = await openDatabase(settings)
    try {
      yield* examineDatabase(database, config)
    } finally {
      await database.close()
    }
    return
  }
  yield { check: 'disk', ...(await checked(() => checkDisk(settings.folder))) }
  const { outcome, database, close } = await examineFolder(settings.folder)
  try {
    yield { check: 'folder', ...outcome }
    if (database) yield* examineDatabase(database, config)
    else
      yield* withoutDatabase(outcome.status === 'failed' ? 'the folder cannot be used' : 'the database was not opened')
  } finally {
    await close()
  }
}

async function* examineDatabase(database: OpenDatabase, config: Config): AsyncGenerator<Finding> {
  try {
    const { role, size } = await database.withClient(findServer)
    const { database: trouble } = await database.findTrouble()
    const isEmbedded = config.database.kind === 'embedded'
    const found = `${database.where}${isEmbedded ? '' : `, as ${role}`}`
    yield {
      check: 'database',
      ...(trouble ? failed(`${found}: ${trouble}`) : ok(`${found}: it answers, and is not read-only`)),
    }
    if (!isEmbedded)
      yield {
        check: 'disk',
        ...skipped(`The database takes ${size}; what its disk has left is seen only on the server`),
      }
  } catch (error) {
    yield { check: 'database', ...unreachable(error, database.where) }
    yield* withoutDatabase('the database cannot be reached')
    return
  }
  for (const [check, run] of Object.entries(checks))
    yield {
      check,
      ...(await checked(() => database.withClient((client) => run({ client, config, migrations: readMigrations() })))),
    }
}

function unreachable(error: unknown, where: string): Outcome {
  const refusal = asRefusal(error)
  if (refusal) return failed(`${where}: ${refusal.message}`)
  const why = reason(error instanceof Unreachable ? error.cause : error)
  return failed(
    `${where}: ${why}`,
    'Check that the server runs and can be reached from here, and POSTGRES_SERVER, POSTGRES_PORT or DATABASE_URL.',
  )
}

/** Every check of a database that cannot be examined. */
function* withoutDatabase(why: string): Generator<Finding> {
  for (const check of Object.keys(checks)) yield { check, ...skipped(`Not checked, as ${why}`) }
}

/** What a check finds; its failure is a finding too. */
async function checked(check: () => Promise<Outcome>): Promise<Outcome> {
  try {
    return await check()
  } catch (error) {
    return failed(asRefusal(error)?.message ?? reason(error))
  }
}
