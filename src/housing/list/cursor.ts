import { type Static, Type } from 'typebox'
import { checker, maxInt4 } from '../../contract/json-schema.ts'
import { decodeCursor, invalidCursor } from '../../contract/paging.ts'
import { filters, filtersOf, keyOf, type ListQuery, Sort } from './schemas.ts'

/** Where a page ended: the sort key and the id of its last house, or only the id when sorting by id. */
export const Position = Type.Array(Type.Union([Type.String(), Type.Integer()]))
export type Position = Static<typeof Position>

/** What a cursor carries: the list that was asked for, and where in it the next page begins. */
const Cursor = Type.Object(
  { sort: Sort, filters: Type.Object(filters, { additionalProperties: false }), after: Position },
  { additionalProperties: false },
)
type Cursor = Static<typeof Cursor>

const matchesCursor = checker(Cursor)
const isId = checker(Type.Integer({ minimum: -maxInt4 - 1, maximum: maxInt4 }))
const isStoredText = checker(Type.String({ pattern: '^[^\\u0000\\uD800-\\uDFFF]{0,50}$' }))
/** As Postgres writes it; earlier cursors have RFC 3339. Postgres itself rejects a time such as 30 February. */
const storedTime = '^(-?infinity|\\d{4,6}-\\d\\d-\\d\\d[ T]\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,6})?(Z|\\+00)( BC)?)$'
const isKey = {
  id: isId,
  city: isStoredText,
  postal_code: isStoredText,
  updated_at: checker(Type.String({ pattern: storedTime })),
}

/** Whether it is a cursor whose position fits its sort. */
function isCursor(value: unknown): value is Cursor {
  if (!matchesCursor(value)) return false
  const { sort, after } = value
  const key = keyOf(sort)
  return isKey[key](after[0]) && isId(after.at(-1)) && after.length === (key === 'id' ? 1 : 2)
}

/** The list that a query asks for, and the position after which its page begins; no position on the first page. */
export function requestedList(query: ListQuery): Omit<Cursor, 'after'> & { after?: Position } {
  const cursor = decodeCursor(query.cursor, isCursor)
  if (!cursor) return { sort: query.sort ?? 'id', filters: filtersOf(query) }
  const carried: Record<string, string> = { ...cursor.filters, sort: cursor.sort }
  for (const [name, value] of Object.entries({ ...filtersOf(query), ...(query.sort && { sort: query.sort }) }))
    if (value !== carried[name])
      throw invalidCursor(
        `belongs to a list with a different ${name}: omit ${name}, or omit cursor to start a new list.`,
      )
  return cursor
}
