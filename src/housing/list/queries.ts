import { type Expression, type SqlBool, sql } from 'kysely'
import { maxInt4 } from '../../contract/json-schema.ts'
import { trimmed } from '../../contract/text.ts'
import { inUtc } from '../../contract/time.ts'
import { statement } from '../../database/statement.ts'
import type { Database } from '../../database/tables.ts'
import { findHousingByPostalCode } from '../gathered.ts'
import { canonical } from '../postal-code.ts'
import { type HousingRow, houses } from '../queries.ts'
import type { Position } from './cursor.ts'
import { type FilterName, type Filters, keyOf, type ListQuery, type Sort } from './schemas.ts'

/** The given filters, and the two that Postgres has to resolve first. */
export interface Condition {
  filters: Filters
  /** The words of `q`, split as those of the houses are. */
  words?: string[]
  /** The ids of `housing_type`, from which Postgres' planner can estimate how many rows match. */
  types?: number[]
}

/** Text in which an accented letter is one character, however it was sent. */
const composed = (text: Expression<unknown>) => sql`normalize(${text}, NFC)`

/** Punctuation and spaces, which Postgres' parser would take for parts of numbers, paths and hosts: `4-100`, `16/97`. */
const punctuation =
  '[!-/:-@\\[-`{-\\u00A9\\u00AB-\\u00B4\\u00B6-\\u00B9\\u00BB-\\u00BF\\u00D7\\u00F7\\u2000-\\u206F\\u3000-\\u3003]'

/** The words of a text, split at every mark of punctuation. */
const wordsOf = (text: Expression<unknown>) =>
  sql`to_tsvector('simple', regexp_replace(${composed(text)} collate "C", ${sql.lit(punctuation)}, ' ', 'g'))`

/** The SQL condition of each filter. Each has an index of its own (V1.1.0, V1.3.0, V1.8.0). */
const conditions: { [Name in FilterName]: (value: string, found: Condition) => Expression<SqlBool> } = {
  postal_code: (postalCode) => {
    const code = canonical(postalCode).trimEnd()
    const stored = sql`h.postal_code collate "C"`
    return isWhole(code) ? sql`${stored} = ${code}` : startsWith(stored, sql`${code}::text`)
  },
  city: (city) => sql`lower(${composed(sql`h.city`)}) = lower(${composed(sql`${trimmed(city)}`)})`,
  street: (street) =>
    startsWith(
      sql`lower(${composed(sql`h.street`)}) collate "C"`,
      sql`lower(${composed(sql`${street.replace(/^ +/, '')}`)})`,
    ),
  housing_type: (_codes, { types }) => sql`h.housing_type_id = any (${types}::int[])`,
  updated_since: (instant) => sql`h.updated_at >= ${inUtc(instant)}::timestamptz`,
  q: (_text, { words = [] }) => {
    const prefixes = words.map((word) => `'${word.replace(/['\\]/g, '$&$&')}':*`).join(' & ')
    return sql`${wordsOf(sql`h.address || ' ' || h.street || ' ' || h.city`)} @@ ${prefixes}::tsquery`
  },
}

/** The sort keys besides the id, each as its index has it (V1.1.0, V1.3.0). */
const keys = {
  id: undefined,
  city: sql`h.city collate "C"`,
  postal_code: sql`h.postal_code collate "C"`,
  updated_at: sql`h.updated_at`,
}

/** Whether Postgres has to resolve some of the filters before it can list. */
export const needsResolving = ({ q, housing_type }: Filters) => q !== undefined || housing_type !== undefined

/** Asks Postgres for the words of `q` and the ids of the housing types. */
export async function resolveFilters(db: Database, filters: Filters): Promise<Condition> {
  if (!needsResolving(filters)) return { filters }
  const { q, housing_type } = filters
  const { rows } = await sql<{ words: string[]; types: number[] }>`
    select coalesce(tsvector_to_array(${wordsOf(sql`${q ?? null}`)}), '{}') as words,
      array(select id from housing.housing_types where code = any (${housing_type?.split(',') ?? []})) as types`.execute(
    db,
  )
  const { words, types } = rows[0] as (typeof rows)[0]
  return { filters, types, ...(q !== undefined && { words }) }
}

interface List {
  condition: Condition
  sort: Sort
  limit: number
  after?: Position
}

/** A house, with the text of `updated_at` in Postgres if the list is in its order. */
export type ListedHousing = HousingRow & { stored_time?: string }

/** The houses for which the condition holds, from the beginning or after a position. */
export function listHousing(db: Database, { condition, sort, limit, after }: List): Promise<ListedHousing[]> {
  const postalCode = onlyCode(condition.filters)
  if (postalCode !== undefined && sort === 'id' && !after) return findHousingByPostalCode(db, { postalCode, limit })
  if (sort === 'id' && Object.keys(condition.filters).length === 0)
    return listAll(db, { after: Number(after?.[0] ?? beforeAll), limit })
  let query = sorted(db, condition, sort).$if(keyOf(sort) === 'updated_at', (list) =>
    list.select(sql<string>`h.updated_at::text`.as('stored_time')),
  )
  if (after) {
    const key = keys[keyOf(sort)]
    const position = key ? sql`${key}, h.id` : sql`h.id`
    query = query.where(
      sql<SqlBool>`(${position}) ${sql.raw(directionOf(sort) === 'desc' ? '<' : '>')} (${sql.join(after)})`,
    )
  }
  return query.limit(limit).execute()
}

/** Less than every id. */
const beforeAll = -maxInt4 - 2

/** The plain list, which is asked for most. */
const listAll = statement('list_housing', (db, { after, limit }: { after: number; limit: number }) =>
  sorted(db, { filters: {} }, 'id').where(sql<SqlBool>`h.id > ${after}::bigint`).limit(limit).compile(),
)

/** All houses for which the condition holds, in order. */
export function sorted(db: Database, condition: Condition, sort: Sort) {
  const key = keys[keyOf(sort)]
  const direction = directionOf(sort)
  const matching = houses(db).where((eb) => eb.and(all(condition)))
  return (key ? matching.orderBy(key, direction) : matching).orderBy('h.id', direction)
}

const directionOf = (sort: Sort) => (sort.startsWith('-') ? 'desc' : 'asc')

export async function countHousing(db: Database, condition: Condition): Promise<number> {
  const { total } = await db
    .selectFrom('housing.housing as h')
    .where((eb) => eb.and(all(condition)))
    .select(({ fn }) => fn.countAll<string>().as('total'))
    .executeTakeFirstOrThrow()
  return Number(total)
}

const all = (condition: Condition) =>
  Object.entries(condition.filters).map(([name, value]) => conditions[name as FilterName](value, condition))

/** Whether a list shares its statement with others: it is the beginning of all in one postal code. */
export const isLookup = ({ limit, fields, ...filters }: ListQuery): boolean => onlyCode(filters) !== undefined

/** The whole postal code, if it is the only filter. */
function onlyCode({ postal_code = '', ...others }: Filters): string | undefined {
  const code = canonical(postal_code).trimEnd()
  return isWhole(code) && Object.keys(others).length === 0 ? code : undefined
}

/** A whole code, not just its first three characters. */
const isWhole = (code: string) => code.length > 3

/** A prefix search as a range, which an index in code point order can answer. */
const startsWith = (text: Expression<unknown>, prefix: Expression<unknown>): Expression<SqlBool> =>
  sql`${text} >= ${prefix} and ${text} < ${prefix} || ${'\u{10FFFF}'}`
