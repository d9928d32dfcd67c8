import { type Static, Type } from 'typebox'
import { decodeCursor, wrongCursor } from '../../contract/paging.ts'
import { checker } from '../../http/validation.ts'
import { type Filters, filters, filtersOf, keyOf, type ListQuery, Sort } from './schemas.ts'

/** Where a page ended: what was asked for, and the sort key and id of its last house. */
const Cursor = Type.Object(
  {
    sort: Sort,
    filters: Type.Object(filters, { additionalProperties: false }),
    after: Type.Array(Type.Union([Type.String(), Type.Integer()])),
  },
  { additionalProperties: false },
)
type Cursor = Static<typeof Cursor>

/** A list, and where in it a page begins: after a house's sort key and id, or at the beginning. */
export interface Place {
  sort: Sort
  filters: Filters
  after: (string | number)[] | undefined
}

const isCursor = checker(Cursor)
const isId = checker(Type.Integer({ minimum: -2147483648, maximum: 2147483647 }))
const isStoredText = checker(Type.String({ pattern: '^[^\\u0000\\uD800-\\uDFFF]{0,50}$' }))
const isKey = {
  id: isId,
  city: isStoredText,
  postal_code: isStoredText,
  updated_at: checker(Type.String({ format: 'date-time', pattern: 'Z$' })),
}

/** Whether a page of the cursor's sort can end there: at an id, or at a key and an id. */
function isPosition(cursor: unknown): cursor is Cursor {
  if (!isCursor(cursor)) return false
  const { sort, after } = cursor
  const key = keyOf(sort)
  return isKey[key](after[0]) && isId(after.at(-1)) && after.length === (key === 'id' ? 1 : 2)
}

/** Reads a cursor. Throws a problem where the request names another order or another filter than it carries. */
export function readCursor(text: string, query: ListQuery): Place {
  const { sort, filters, after } = decodeCursor(text, isPosition)
  const carried = { ...filtersOf(filters), sort }
  for (const [name, value] of Object.entries({ ...filtersOf(query), sort: query.sort }))
    if (value !== undefined && value !== carried[name as keyof typeof carried])
      throw wrongCursor(`belongs to a list with another ${name}: leave ${name} out, or start anew.`)
  return { sort, filters: filtersOf(filters), after }
}
