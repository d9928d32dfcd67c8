import { encodeCursor, link } from '../../contract/paging.ts'
import { wrongParameter } from '../../contract/problems.ts'
import type { Database } from '../../database/tables.ts'
import type { HousingRow } from '../queries.ts'
import { type Place, readCursor } from './cursor.ts'
import { countHousing, listHousing, resolve } from './queries.ts'
import { filtersOf, type HousingPage, keyOf, type ListQuery, type Sort } from './schemas.ts'

/** Reads the page that a query asks for, and makes its header Link. */
export async function readPage(
  db: Database,
  path: string,
  query: ListQuery,
): Promise<{ page: HousingPage; links: string }> {
  const { cursor, limit = 100, count, fields } = query
  const list = cursor === undefined ? firstOf(query) : readCursor(cursor, query)
  const condition = await resolve(db, list.filters)
  if (condition.words?.length === 0) throw noWords()

  const rows = await listHousing(db, { condition, sort: list.sort, after: list.after, limit: limit + 1 })
  const items = rows.slice(0, limit)
  const last = rows.length > limit ? items.at(-1) : undefined
  const next = last ? encodeCursor({ ...list, after: positionOf(last, list.sort) }) : null
  const total = count && { total: await countHousing(db, condition) }

  const same = { limit, count, fields }
  return {
    page: { items: fields ? items.map((house) => only(fields, house)) : items, next, ...total },
    links: link(path, { ...list.filters, sort: list.sort, ...same }, next ? { cursor: next, ...same } : undefined),
  }
}

const firstOf = (query: ListQuery): Place => ({ sort: query.sort ?? 'id', filters: filtersOf(query), after: undefined })

/** The sort key and the id of a house: where in the list it stands. */
function positionOf(house: HousingRow, sort: Sort): (string | number)[] {
  const key = keyOf(sort)
  return key === 'id' ? [house.id] : [house[key], house.id]
}

const only = (fields: string, house: HousingRow): Partial<HousingRow> =>
  Object.fromEntries(Object.entries(house).filter(([name]) => fields.split(',').includes(name)))

const noWords = () =>
  wrongParameter('q', 'words', 'has no word in it, only punctuation: send at least one letter or digit.')
