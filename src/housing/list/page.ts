import type { FastifyReply } from 'fastify'
import { invalidCursor, pageOf, sendPage } from '../../contract/paging.ts'
import { invalidParameter } from '../../contract/problems.ts'
import { isInvalidTime } from '../../database/errors.ts'
import type { Database } from '../../database/tables.ts'
import { overOneConnection } from '../../database/transaction.ts'
import type { HousingRow } from '../queries.ts'
import { type Position, requestedList } from './cursor.ts'
import {
  type Condition,
  countHousing,
  type ListedHousing,
  listHousing,
  needsResolving,
  resolveFilters,
} from './queries.ts'
import { type Filters, keyOf, type ListQuery, type Sort } from './schemas.ts'

/** Answers the page that a query asks for. */
export async function sendHousingPage(db: Database, query: ListQuery, reply: FastifyReply): Promise<FastifyReply> {
  const { limit = 100, count, fields } = query
  const list = requestedList(query)
  const { sort, filters } = list
  const read = (db: Database) => find(db, { ...list, limit, count })
  const { rows, total } = await (count || needsResolving(filters) ? overOneConnection(db, read) : read(db))
  const { items, next } = pageOf(rows, limit, (last) => ({ sort, filters, after: positionOf(last, sort) }))
  if (fields) reply.serializer(JSON.stringify) // the route's own demands whole houses
  const page = { items: fields ? items.map((house) => only(fields, house)) : items, next, ...total }
  return sendPage(reply, page, { repeated: { limit, count, fields }, list: { ...filters, sort } })
}

type Wanted = ReturnType<typeof requestedList> & { limit: number; count?: ListQuery['count'] | undefined }

/** The houses of a page, one more if there is one, and how many there are in all if that is wanted. */
async function find(db: Database, { sort, filters, after, limit, count }: Wanted) {
  const condition = await conditionOf(db, filters)
  const rows = await listHousing(db, { condition, sort, limit: limit + 1, ...(after && { after }) }).catch((error) => {
    throw isInvalidTime(error) ? invalidCursor('has a time that does not exist: send `next` unchanged.') : error
  })
  return { rows, total: count && { total: await countHousing(db, condition) } }
}

/** What the filters demand. Throws a 400 if `q` has no words. */
export async function conditionOf(db: Database, filters: Filters): Promise<Condition> {
  const condition = await resolveFilters(db, filters)
  if (condition.words?.length === 0)
    throw invalidParameter('q', 'words', 'has only punctuation: send at least one letter or digit.')
  return condition
}

/** The stored time, as RFC 3339 cannot express every time that Postgres can hold. */
function positionOf({ stored_time, ...house }: ListedHousing, sort: Sort): Position {
  const key = keyOf(sort)
  if (key === 'id') return [house.id]
  return [(key === 'updated_at' && stored_time) || house[key], house.id]
}

const only = (fields: string, house: HousingRow): Partial<HousingRow> =>
  Object.fromEntries(Object.entries(house).filter(([name]) => fields.split(',').includes(name)))
