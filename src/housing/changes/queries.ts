import { type RawBuilder, type SqlBool, sql } from 'kysely'
import type { Database } from '../../database/tables.ts'
import { canonical } from '../postal-code.ts'
import { type Housing, writableMembers } from '../schemas.ts'
import { houseOf, type VersionRow } from '../versions/queries.ts'
import type { Change, ChangeFilters } from './schemas.ts'

/** How many changes a question looks at, of which the filters may let none pass. */
const maxExamined = 10_000

/** A change in the feed, and what the filters look at. */
export interface Entry {
  change: Change
  /** The house after the change and before it: of these members, what it had. */
  houses: Pick<Housing, 'housing_type' | 'postal_code'>[]
}

export interface FeedQuery {
  /** A position. */
  after: number
  limit: number
  filters?: ChangeFilters
}

export interface Page {
  entries: Entry[]
  /** Up to which position the feed was looked at. */
  next: number
  /** Whether the feed ever gave the position after which the page begins. */
  isKnown: boolean
}

/** Gives positions to new changes, but to at most so many. */
export const numberChanges = (db: Database, atMost: number) => sql`select housing.number_changes(${atMost})`.execute(db)

/** The last position; 0 if the feed is empty. */
export async function lastPosition(db: Database): Promise<number> {
  const { last } = await db
    .selectFrom('housing.feed')
    .select(({ fn }) => fn.max('position').as('last'))
    .executeTakeFirstOrThrow()
  return Number(last ?? 0)
}

/** The columns of a change, if there is one. */
interface Row extends VersionRow {
  position: string | null
  previous_type: string | null
  previous_code: string | null
  last: string | null
  is_known: boolean
}

/** The changes after a position, in order. A change matches if the house matched before or after it. */
export async function findChanges(db: Database, { after, limit, filters = {} }: FeedQuery): Promise<Page> {
  const conditions = conditionsOf(filters)
  const begin = sql`${after}::bigint`
  const { rows } = await sql<Row>`
    with examined as materialized (
      select position, change from housing.feed where position > ${begin} order by position
      limit ${conditions.length > 0 ? maxExamined : limit}
    )
    select ${begin} = 0 or exists (select from housing.feed where position = ${begin}) as is_known, e.last, c.*
    from (select max(position) as last from examined) e
    left join lateral (
      select e.position, c.at, c.by, c.operation, c.housing_id as id, ${sql.join(members)},
        p.housing_type as previous_type, p.postal_code as previous_code
      from examined e
      join housing.changes c on c.position = e.change
      left join housing.changes p on p.housing_id = c.housing_id and p.version = c.version - 1
      where ${sql.join([sql`true`, ...conditions], sql` and `)}
      order by e.position
      limit ${limit}
    ) c on true`.execute(db)
  const [{ is_known, last } = { is_known: false, last: null }] = rows
  const entries = rows.flatMap((row) => (row.position === null ? [] : [entryOf(row)]))
  return { entries, next: nextAfter(entries, limit, Number(last ?? after)), isKnown: is_known }
}

/** The position after which the next page begins: behind the last entry if the limit left out others. */
export function nextAfter(entries: Entry[], limit: number, searched: number): number {
  const last = entries.length === limit ? entries.at(-1) : undefined
  return last?.change.position ?? searched
}

const members = [...writableMembers, 'version', 'created_at', 'updated_at'].map((member) => sql.ref(`c.${member}`))

function entryOf({ position, previous_type, previous_code, last: _, is_known: __, ...row }: Row): Entry {
  const { at, by, operation, id, version, housing_type, postal_code } = row
  const houses = [{ housing_type, postal_code }]
  if (previous_type !== null && previous_code !== null)
    houses.push({ housing_type: previous_type, postal_code: previous_code })
  return { change: { position: Number(position), at, by, operation, id, version, house: houseOf(row) }, houses }
}

/** `c` is the change, and `p` the one before it of the same house. */
function conditionsOf({ id, housing_type, postal_code }: ChangeFilters) {
  const either = (condition: (house: 'c' | 'p') => RawBuilder<SqlBool>) =>
    sql<SqlBool>`(${condition('c')} or ${condition('p')})`
  const conditions = []
  if (id !== undefined) conditions.push(sql<SqlBool>`c.housing_id = ${id}`)
  if (housing_type !== undefined)
    conditions.push(
      either((house) => sql`${sql.ref(`${house}.housing_type`)} = any (${housing_type.split(',')}::text[])`),
    )
  if (postal_code !== undefined)
    conditions.push(
      either((house) => sql`starts_with(${sql.ref(`${house}.postal_code`)}::text, ${prefixOf(postal_code)})`),
    )
  return conditions
}

/** Whether a change passes the filters, as {@link findChanges} decides it. */
export const passes = ({ change, houses }: Entry, { id, housing_type, postal_code }: ChangeFilters = {}): boolean =>
  (id === undefined || change.id === id) &&
  (housing_type === undefined || houses.some((house) => housing_type.split(',').includes(house.housing_type))) &&
  (postal_code === undefined || houses.some((house) => house.postal_code.startsWith(prefixOf(postal_code))))

const prefixOf = (postalCode: string) => canonical(postalCode).trimEnd()
