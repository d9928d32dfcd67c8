import { failureOf } from '../../contract/database-problems.ts'
import { kinds } from '../../contract/problem-kinds.ts'
import { missing, Problem } from '../../contract/problems.ts'
import { isSqlError } from '../../database/errors.ts'
import type { Database } from '../../database/tables.ts'
import { inTransaction } from '../../database/transaction.ts'
import type { Fault } from '../../http/validation.ts'
import { counter } from '../../metrics.ts'
import { unknownType } from '../problems.ts'
import { asStored, type HousingInput, type HousingPatch, writableMembers } from '../schemas.ts'
import {
  deleteImport,
  findChunk,
  findTypeIds,
  insertHouses,
  type LockedHouse,
  lockWholeHouses,
  nested,
  prepare,
  renewImport,
  type StoredHouse,
  updateHouses,
} from './queries.ts'
import type { Outcome, Report } from './report.ts'
import type { Row } from './rows.ts'

const imports = counter('sample_api_imports_total', 'Imports that were done, by what came of them.', 'outcome')
const importedRows = counter('sample_api_import_rows_total', 'Rows of imports, by what became of them.', 'result')

/** What to do with the staged rows of an import. */
export interface Plan {
  id: string
  /** Whose import it is; '' if nobody's. */
  caller: string
  /** Whether wrong rows are left out; otherwise one of them undoes everything. */
  skips: boolean
  /** Whether everything is undone in any case. */
  isDry: boolean
  /** Aborted when the process stops, with the problem to answer: nothing more is stored then. */
  signal: AbortSignal
  /** Whether others get their turn between the chunks: each is a transaction of its own. */
  inParts: boolean
  /** Whether its caller may apply it later, because an answer names it. */
  isOffered: boolean
}

/** An import in parts failed after some of them were stored. */
export class StoppedHalfway extends Error {
  /** What became of the rows before. */
  readonly report: Report
  constructor(report: Report, cause: unknown) {
    super('An import stopped halfway', { cause })
    this.report = report
  }
}

/**
 * Applies an import, and reports what it did or would have done. Rejects with a 404 if this caller has no such import, or
 * if it is being applied already; in parts also with {@link StoppedHalfway}.
 */
export async function applyImport(
  db: Database,
  plan: Plan,
  newReport: (columns: string[]) => Promise<Report>,
): Promise<Report> {
  const { id, caller, skips, isDry, inParts, signal } = plan
  const apply = async (db: Database) => {
    const columns = await renewImport(db, id, caller)
    if (!columns) throw noSuchImport()
    const report = await newReport(columns)
    const isKept = () => !isDry && (skips || report.counts.rejected === 0)
    if (inParts) await applyParts(db, id, report, signal)
    else await nested(db, () => applyRows(db, id, report, signal), isKept)
    if (isKept() && !inParts) await deleteImport(db, id)
    return report
  }
  const report = await (inParts ? apply(db) : inTransaction(db, apply))
  count(report, plan)
  return report
}

export const noSuchImport = () =>
  new Problem('not-found', 'No import of this caller has this id and waits to be applied.')

function count({ counts: { received, ...results } }: Report, { isDry, skips }: Plan): void {
  const outcome = isDry ? 'dry_run' : results.rejected > 0 && !skips ? 'undone' : 'applied'
  imports.of(outcome).add()
  if (outcome === 'applied') for (const [result, rows] of Object.entries(results)) importedRows.of(result).add(rows)
}

async function applyParts(db: Database, id: string, report: Report, signal: AbortSignal): Promise<void> {
  try {
    await applyRows(db, id, report, signal)
  } catch (error) {
    throw report.counts.created + report.counts.updated > 0 ? new StoppedHalfway(report, error) : error
  }
}

/**
 * Applies the rows of an import in their order, except those that are wrong, and tells `report` what became of them. Each
 * chunk is a transaction, or a part of the one that `db` is.
 */
async function applyRows(db: Database, id: string, report: Report, signal: AbortSignal): Promise<void> {
  const types = await findTypeIds(db)
  for (let n = 0; ; n++) {
    const rows = await findChunk(db, id, n)
    if (!rows) return
    signal.throwIfAborted()
    const outcomes = await inTransaction(db, async (tx) => {
      await prepare(tx)
      return apply(tx, rows, types)
    })
    await report.add(rows, outcomes)
  }
}

type Types = Map<string, number>

/** Applies rows together. Where the database rejects that, it applies each half, until it has found the wrong rows. */
async function apply(tx: Database, rows: Row[], types: Types): Promise<Outcome[]> {
  try {
    return await nested(tx, () => write(tx, rows, types))
  } catch (error) {
    const [row] = rows
    const fault = faultOf(error, row?.sent as HousingPatch)
    if (!fault) throw error
    if (rows.length === 1) return [[fault]]
    const middle = rows.length >> 1
    return [...(await apply(tx, rows.slice(0, middle), types)), ...(await apply(tx, rows.slice(middle), types))]
  }
}

/** Why the database rejects a row; undefined if the row is not at fault. */
function faultOf(error: unknown, { housing_type }: HousingPatch): Fault | undefined {
  if (isSqlError(error) && error.constraint === 'fk_housing_type') return unknownType(housing_type)
  const [code, detail] = failureOf(error, 'POST') ?? []
  return code && detail && kinds[code].status < 500 ? { field: '', code, detail } : undefined
}

/** Writes each house once, as the last of its rows leaves it. */
async function write(tx: Database, rows: Row[], types: Types): Promise<Outcome[]> {
  const ids = rows.flatMap(({ sent: { id }, faults }) =>
    Number.isInteger(id) && !isAbout('id', faults) ? [id as number] : [],
  )
  const houses = new Map(ids.length > 0 ? (await lockWholeHouses(tx, ids)).map((house) => [house.id, house]) : [])
  const created: StoredHouse[] = []
  const updated = new Map<number, LockedHouse>()
  const outcomes = rows.map((row): Outcome => {
    if ('id' in row.sent) {
      const change = changeOf(row, houses.get(row.sent.id as number), types)
      if (typeof change === 'string' || Array.isArray(change)) return change
      houses.set(change.id, change)
      updated.set(change.id, change)
      return 'updated'
    }
    const house = creationOf(row, types)
    if (Array.isArray(house)) return house
    created.push(house)
    return 'created'
  })
  await insertHouses(tx, created)
  await updateHouses(tx, [...updated.values()])
  return outcomes
}

function creationOf({ sent, faults }: Row, types: Types): StoredHouse | Fault[] {
  if (faults.length > 0) return faults
  const { housing_type, ...house } = asStored(sent as HousingInput)
  const housing_type_id = types.get(housing_type)
  if (housing_type_id === undefined) return [unknownType(housing_type)]
  return Object.assign(house, { housing_type_id }) // spreading would leave a hidden class for each
}

/** The members that a row leaves as they are need not be valid: rows from before today's rules stay as they are. */
function changeOf(
  { sent, faults }: Row,
  house: LockedHouse | undefined,
  types: Types,
): LockedHouse | 'unchanged' | Fault[] {
  const { id, version, ...members } = sent
  if (isAbout('id', faults) || isAbout('version', faults)) return faults
  if (!house) return [{ field: 'id', code: 'not-found', detail: missing('house', id as number) }]
  if (version !== undefined && version !== house.version) return [conflict(house)]
  const kept = new Set<string>(writableMembers.filter((name) => isStored(members[name], name, house)))
  const left = faults.filter(({ field }) => !kept.has(field))
  if (left.length > 0) return left
  const changes: HousingPatch = Object.fromEntries(Object.entries(members).filter(([name]) => !kept.has(name)))
  if (Object.keys(changes).length === 0) return 'unchanged'
  const changed = { ...house, ...asStored(changes), version: house.version + 1 }
  const housing_type_id = changes.housing_type === undefined ? house.housing_type_id : types.get(changed.housing_type)
  return housing_type_id === undefined ? [unknownType(changed.housing_type)] : { ...changed, housing_type_id }
}

const isAbout = (member: string, faults: Fault[]) => faults.some(({ field }) => field === member)

/** Whether a house has this value already. Postgres pads the columns of type `char` with blanks. */
function isStored(sent: unknown, member: keyof HousingInput, house: HousingInput): boolean {
  if (typeof sent !== 'string') return false
  const [value, stored] = isPadded.has(member) ? [sent.trimEnd(), house[member].trimEnd()] : [sent, house[member]]
  return value === stored || asStored({ [member]: value })[member] === stored
}

const isPadded = new Set<keyof HousingInput>(['postal_code', 'housing_type'])

const conflict = ({ version }: LockedHouse): Fault => ({
  field: 'version',
  code: 'version-conflict',
  detail: `The house is in version ${version}: somebody has changed it since. Export it again.`,
})
