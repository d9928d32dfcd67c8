import type { ClientBase } from 'pg'
import { compareVersions, type Migration, MigrationError } from './files.ts'

/** A row of Flyway's history table. */
export interface HistoryRow {
  installed_rank: number
  /** Null for the creation of the schema, and for scripts of other kinds than ours. */
  version: string | null
  description: string
  type: string
  script: string
  checksum: number | null
  execution_time: number
  success: boolean
}

/** V1.0.0 as the Python predecessor had it: the same schema in another text. */
export const predecessor = { version: '1.0.0', checksum: 336439134 }

export const isPredecessors = (row: HistoryRow): boolean =>
  row.version === predecessor.version && row.checksum === predecessor.checksum && row.success

/** Asks for what takes no time, and fails where the network falls silent. Scripts may take as long as they need. */
export const ask = async (client: ClientBase, text: string, values: unknown[] = []) => {
  const query = { text, values, query_timeout: 5000 }
  return (await client.query(query)).rows
}

export const readHistory = (client: ClientBase): Promise<HistoryRow[]> =>
  ask(client, 'select * from housing.flyway_schema_history order by installed_rank')

/** The oldest release that can serve the schema, by the newest version of its migrations; null before V1.7.0. */
export async function readOldestRelease(client: ClientBase): Promise<string | null> {
  const [known] = await ask(client, "select to_regprocedure('housing.oldest_release()') is not null as exists")
  return known.exists ? (await ask(client, 'select housing.oldest_release() as version'))[0].version : null
}

/** Records what was done, by whom, under the next rank (the creation of the schema has rank 0). */
export async function recordHistory(
  client: ClientBase,
  row: Pick<HistoryRow, 'version' | 'description' | 'type' | 'script' | 'checksum' | 'execution_time'>,
): Promise<void> {
  await client.query(
    `insert into housing.flyway_schema_history
      (installed_rank, version, description, type, script, checksum, installed_by, execution_time, success)
     select case $3 when 'SCHEMA' then 0 else coalesce(max(installed_rank), 0) + 1 end,
      $1, $2, $3, $4, $5, current_user, $6, true
     from housing.flyway_schema_history`,
    [row.version, row.description, row.type, row.script, row.checksum, row.execution_time],
  )
}

/** The highest version that the database has, if any, and the migrations that it lacks. */
export interface SchemaStatus {
  found: string | null
  pending: Migration[]
}

/**
 * Validates like Flyway, but also rejects a schema newer than the code, unless its oldest release is not newer.
 * Throws a {@link MigrationError} with all findings. The predecessor's V1.0.0 counts as pending until it is taken over.
 */
export function compareHistory(
  history: HistoryRow[],
  all: Migration[],
  oldestRelease: string | null = null,
): SchemaStatus {
  const baseline = history.find(({ type }) => type.endsWith('BASELINE'))?.version ?? null
  const aboveBaseline = ({ version }: { version: string | null }) =>
    baseline === null || version === null || compareVersions(version, baseline) > 0
  const migrations = all.filter(aboveBaseline)
  const applied = appliedScripts(history).filter(aboveBaseline)
  const found = highest([baseline, ...applied.map(({ version }) => version)])
  const newest = highest(all.map(({ version }) => version)) ?? '0'

  const pending: Migration[] = []
  const findings = history
    .filter(({ success }) => !success)
    .map(({ script }) => `${script} failed halfway: clean up what it left behind, then run \`flyway repair\`.`)
  for (const migration of migrations) {
    const row = applied.find(isSameVersion(migration))
    if (row && !isPredecessors(row)) findings.push(...disagreements(row, migration))
    else pending.push(migration)
    if (!row && found !== null && compareVersions(migration.version, found) < 0)
      findings.push(
        `${migration.script} was never applied, though the database is at ${found}: give it a higher version.`,
      )
  }
  const mayServe = oldestRelease !== null && compareVersions(oldestRelease, newest) <= 0
  if (found !== null && compareVersions(found, newest) > 0 && !mayServe)
    findings.push(
      `The database is at ${found} (${history.find(isSameVersion({ version: found }))?.script}), newer than this release, which ends at ${newest}: run a newer release${oldestRelease === null ? '' : `, ${oldestRelease} or later`}.`,
    )
  for (const row of applied)
    if (!migrations.some(isSameVersion(row)) && (row.version === null || compareVersions(row.version, newest) < 0))
      findings.push(`${row.script} was applied, but its file is missing: put it back.`)
  if (findings.length > 0) throw new MigrationError(findings)
  return { found, pending }
}

/** The scripts that count as applied, versioned or repeatable: `repair` takes one back by a row of type DELETE. */
function appliedScripts(history: HistoryRow[]): HistoryRow[] {
  const applied = new Map<string, HistoryRow>()
  for (const row of history) {
    if (row.type === 'SCHEMA' || row.type.endsWith('BASELINE')) continue
    if (row.type === 'DELETE') applied.delete(row.version ?? row.script)
    else applied.set(row.version ?? row.script, row)
  }
  return [...applied.values()]
}

const highest = (versions: (string | null)[]): string | null =>
  versions
    .filter((version) => version !== null)
    .sort(compareVersions)
    .at(-1) ?? null

const isSameVersion =
  (a: { version: string | null }) =>
  (b: { version: string | null }): boolean =>
    a.version !== null && b.version !== null && compareVersions(a.version, b.version) === 0

function disagreements(row: HistoryRow, { script, checksum, description }: Migration): string[] {
  if (row.type !== 'SQL') return [`${script} was applied as ${row.type}, not as SQL.`]
  const findings: string[] = []
  if (row.checksum !== null && row.checksum !== checksum)
    findings.push(
      `${script} was changed after it was applied (checksum ${row.checksum} then, ${checksum} now): restore the old text and put the change into a new migration; if both texts do the same, run \`flyway repair\`.`,
    )
  if (row.description !== description)
    findings.push(
      `${script} was applied under the description "${row.description}": give the file that description again, or run \`flyway repair\`.`,
    )
  return findings
}
