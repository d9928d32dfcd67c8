import { type Expression, type SqlBool, sql } from 'kysely'
import { trimmed } from '../../contract/text.ts'
import type { Database } from '../../database/tables.ts'
import { inUtc } from '../../http/validation.ts'
import { findHousingByPostalCode } from '../gathered.ts'
import { canonical } from '../postal-code.ts'
import { houses } from '../queries.ts'
import { type Filters, keyOf, type Sort } from './schemas.ts'

/** The filters, with their words as Postgres' parser splits them, and their types as ids, which its planner can judge. */
export interface Condition {
  filters: Filters
  words: string[] | null
  types: number[] | null
}

/** The sort keys besides the id, each as its index has it (V1.1.0, V1.3.0). */
const keys = {
  id: undefined,
  city: sql`h.city collate "C"`,
  postal_code: sql`h.postal_code collate "C"`,
  updated_at: sql`h.updated_at`,
}

export async function resolve(db: Database, filters: Filters): Promise<Condition> {
  const { q, housing_type } = filters
  if (q === undefined && housing_type === undefined) return { filters, words: null, types: null }
  const { rows } = await sql<{ words: string[] | null; types: number[] }>`
    select tsvector_to_array(to_tsvector('simple', ${q ?? null})) as words,
      array(select id from housing.housing_types where code = any (${housing_type?.split(',') ?? []})) as types`.execute(
    db,
  )
  const { words, types } = rows[0] as (typeof rows)[0]
  return { filters, words, types: housing_type === undefined ? null : types }
}

/** One page of the houses that the condition holds for, beginning after a position: a page's last sort key and id. */
export function listHousing(
  db: Database,
  {
    condition,
    sort,
    after,
    limit,
  }: { condition: Condition; sort: Sort; after?: (string | number)[] | undefined; limit: number },
) {
  const code = onlyCode(condition)
  if (code && sort === 'id' && !after) return findHousingByPostalCode(db, { postalCode: code, limit })
  const direction = sort.startsWith('-') ? 'desc' : 'asc'
  const key = keys[keyOf(sort)]
  const position = key ? sql`${key}, h.id` : sql`h.id`
  let query = houses(db).where((eb) => eb.and(conditions(condition)))
  if (after)
    query = query.where(sql<SqlBool>`(${position}) ${sql.raw(direction === 'desc' ? '<' : '>')} (${sql.join(after)})`)
  if (key) query = query.orderBy(key, direction)
  return query.orderBy('h.id', direction).limit(limit).execute()
}

/** The whole postal code, where nothing else is asked for. */
function onlyCode({ filters, words, types }: Condition): string | undefined {
  const { postal_code = '', city, street, updated_since } = filters
  const code = canonical(postal_code).trimEnd()
  return code.length > 3 && !(city ?? street ?? updated_since ?? words ?? types) ? code : undefined
}

export async function countHousing(db: Database, condition: Condition): Promise<number> {
  const { total } = await db
    .selectFrom('housing.housing as h')
    .where((eb) => eb.and(conditions(condition)))
    .select(({ fn }) => fn.countAll<string>().as('total'))
    .executeTakeFirstOrThrow()
  return Number(total)
}

/** What must hold; each alone is answered by an index. */
function conditions({ filters, words, types }: Condition): Expression<SqlBool>[] {
  const { postal_code, city, street, updated_since } = filters
  const all: Expression<SqlBool>[] = []
  if (postal_code !== undefined) all.push(inArea(postal_code))
  if (city !== undefined) all.push(sql`lower(h.city) = lower(${trimmed(city)})`)
  if (street !== undefined)
    all.push(startsWith(sql`lower(h.street) collate "C"`, sql`lower(${street.replace(/^ +/, '')})`))
  if (types) all.push(sql`h.housing_type_id = any (${types}::int[])`)
  if (updated_since !== undefined) all.push(sql`h.updated_at >= ${inUtc(updated_since)}::timestamptz`)
  if (words) {
    const prefixes = words.map((word) => `'${word.replace(/['\\]/g, '$&$&')}':*`).join(' & ')
    all.push(sql`to_tsvector('simple', h.address || ' ' || h.street || ' ' || h.city) @@ ${prefixes}::tsquery`)
  }
  return all
}

/** The whole code, or a prefix of three characters. */
function inArea(postalCode: string): Expression<SqlBool> {
  const code = canonical(postalCode).trimEnd()
  const stored = sql`h.postal_code collate "C"`
  return code.length > 3 ? sql`${stored} = ${code}` : startsWith(stored, sql`${code}::text`)
}

/** As a range, which an index by code point answers whatever the prefix holds. */
const startsWith = (text: Expression<unknown>, prefix: Expression<unknown>): Expression<SqlBool> =>
  sql`${text} >= ${prefix} and ${text} < ${prefix} || ${'\u{10FFFF}'}`
