import type { ClientBase } from 'pg'
import type { Config } from '../../config/config.ts'
import { inspectSchema } from '../../migrations/apply.ts'
import { compareVersions, type Migration, MigrationError } from '../../migrations/files.ts'
import { indexesOf, type Made, rightsToServe, triggersOf } from './expected.ts'
import { failed, type Outcome, ok, skipped, warning } from './findings.ts'
import {
  findEncoding,
  findIndexes,
  findRights,
  findServer,
  findTime,
  findTriggers,
  knowsAccents,
  ownsTables,
} from './queries.ts'

export interface Examined {
  client: ClientBase
  config: Config
  /** Those of this release. */
  migrations: Migration[]
}

/** What is checked in a database that can be reached, in this order. Nothing of it writes. */
export const checks: Record<string, (examined: Examined) => Promise<Outcome>> = {
  version,
  encoding,
  migrations: schema,
  rights,
  indexes,
  triggers,
  clock,
}

const [oldestServer, newestServer] = [14, 18]

async function version({ client }: Examined): Promise<Outcome> {
  const { version, number } = await findServer(client)
  const major = Math.floor(number / 10_000)
  const supported = `this release supports Postgres ${oldestServer} to ${newestServer}`
  if (major < oldestServer)
    return failed(
      `Postgres ${version} is too old: ${supported}`,
      'Upgrade the server with pg_upgrade, or move to another.',
    )
  if (major > newestServer)
    return warning(`Postgres ${version} is newer than any that was tested: ${supported}`, 'Run a newer release.')
  return ok(`Postgres ${version}`)
}

async function encoding({ client }: Examined): Promise<Outcome> {
  const { encoding, name, ctype } = await findEncoding(client)
  const remedy = `Make a database (create database homes encoding 'UTF8' lc_collate 'C' lc_ctype 'C.UTF-8' template template0), and move the data there: backup and restore.`
  if (encoding !== 'UTF8') return failed(`The database ${name} is encoded in ${encoding}; it must be UTF8`, remedy)
  if (!(await knowsAccents(client)))
    return warning(
      `LC_CTYPE is ${ctype}, which knows only ASCII: filters and search take É and é for different`,
      remedy,
    )
  return ok(`UTF8, LC_CTYPE ${ctype}`)
}

async function schema({ client, migrations }: Examined): Promise<Outcome> {
  try {
    const { found, pending } = await inspectSchema(client, migrations)
    if (pending.length === 0) return ok(`The schema is at ${found}, as this release needs it`)
    const scripts = pending.map(({ script }) => script).join(', ')
    return failed(
      found === null ? 'The database has no schema yet' : `The schema is at ${found} and lacks ${scripts}`,
      'Run `migrate` as the role that owns the schema. With MIGRATE=on, the start of the API does the same.',
    )
  } catch (error) {
    if (error instanceof MigrationError) return failed(error.message.replaceAll('\n', ' '))
    throw error
  }
}

async function rights({ client, config }: Examined): Promise<Outcome> {
  if (config.database.kind === 'embedded') return ok('The embedded database has one role, which may do everything')
  const { user } = config.database
  const owns = await ownsTables(client)
  if (owns === undefined) return skipped('The tables do not exist yet')
  const rights = new Map((await findRights(client)).map(({ right, held }) => [right, held]))
  const needed = [...rightsToServe(), ...[...rights.keys()].filter((right) => right.startsWith('execute '))]
  const missing = needed.filter((right) => rights.get(right) === false)
  if (missing.length > 0)
    return failed(
      `The role ${user} lacks: ${missing.join(', ')}`,
      'Run db/roles.sql as the role that owns the tables, or grant what is missing.',
    )
  if (owns) return ok(`The role ${user} owns the tables. docs/operating.md has a role that may do less`)
  const excess = excessOf(
    [...rights.keys()].filter((right) => rights.get(right)),
    needed,
  )
  if (excess.length > 0)
    return warning(
      `The role ${user} may do more than it needs: ${excess.join(', ')}`,
      'Run db/roles.sql, or revoke what is named.',
    )
  return ok(`The role ${user} may do what db/roles.sql grants, and no more`)
}

/** What is held but not needed. A right on a table stands for the same on its columns. */
function excessOf(held: string[], needed: string[]): string[] {
  const onTable = (right: string) => right.replace(/ \(.*\)/, '')
  const excess = held.filter((right) => !needed.includes(right) && !needed.includes(onTable(right)))
  return excess.filter((right) => onTable(right) === right || !excess.includes(onTable(right)))
}

/** The migrations that the database has, as far as this can be known from the highest version. */
async function applied({ client, migrations }: Examined): Promise<Migration[]> {
  const { found } = await inspectSchema(client, migrations).catch(() => ({ found: migrations.at(-1)?.version ?? null }))
  return migrations.filter(({ version }) => found !== null && compareVersions(version, found) <= 0)
}

async function indexes(examined: Examined): Promise<Outcome> {
  const expected = indexesOf(await applied(examined))
  const found = new Map((await findIndexes(examined.client)).map(({ name, valid }) => [name, valid]))
  const { missing, broken } = compared(expected, found)
  if (missing.length + broken.length === 0) return ok(`${found.size} indexes, all valid`)
  const again = missing.map(({ statement, script }) =>
    statement ? `${statement.replace(/index/i, 'index concurrently')};` : `Make it again as ${script} does.`,
  )
  return failed(
    [...missing.map(({ name }) => `${name} is missing`), ...broken.map((name) => `${name} is invalid`)].join('; '),
    remedyOf(examined, [...again, ...broken.map((name) => `reindex index concurrently housing.${name};`)]),
  )
}

async function triggers(examined: Examined): Promise<Outcome> {
  const expected = triggersOf(await applied(examined))
  const found = new Map((await findTriggers(examined.client)).map(({ name, enabled }) => [name, enabled]))
  const { missing, broken } = compared(expected, found)
  if (missing.length + broken.length === 0) return ok(`${expected.length} triggers, all enabled`)
  const tables = new Set(broken.map((name) => name.split('.').slice(0, 2).join('.')))
  return failed(
    [...missing.map(({ name }) => `${name} is missing`), ...broken.map((name) => `${name} is disabled`)].join('; '),
    remedyOf(examined, [
      ...missing.map(({ statement }) => `${statement};`),
      ...[...tables].map((table) => `alter table ${table} enable trigger ${whichOf(table, broken)};`),
      'What was written without it is in no history.',
    ]),
  )
}

/** Only a superuser may enable the triggers of foreign keys. */
const whichOf = (table: string, disabled: string[]) =>
  disabled.some((name) => name.startsWith(`${table}.RI_`)) ? 'all' : 'user'

function compared(expected: Made[], found: ReadonlyMap<string, boolean>) {
  const missing = expected.filter(({ name }) => !found.has(name))
  return { missing, broken: [...found.keys()].filter((name) => !found.get(name)) }
}

/** Nobody can send statements to the embedded database; a restore makes everything again. */
const remedyOf = ({ config }: Examined, lines: string[]): string =>
  config.database.kind === 'embedded'
    ? 'Run backup, and then restore into another DATA_DIR: that makes everything again.'
    : lines.join('\n')

/** How far the clocks may be apart, in milliseconds. */
const maxSkew = 2000

async function clock({ client, config }: Examined): Promise<Outcome> {
  if (config.database.kind === 'embedded') return ok('The embedded database has the clock of this machine')
  const before = Date.now()
  const theirs = await findTime(client)
  const skew = theirs < before ? theirs - before : Math.max(0, theirs - Date.now())
  if (Math.abs(skew) <= maxSkew) return ok('The clocks of the database and of this machine agree')
  return failed(
    `The clock of the database is ${Math.round(Math.abs(skew) / 1000)} s ${skew < 0 ? 'behind' : 'ahead of'} that of this machine`,
    'Synchronize both with NTP. Keys and tokens expire, and times are written, by one or the other.',
  )
}
