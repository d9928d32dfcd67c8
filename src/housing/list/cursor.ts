import { type Static, Type } from 'typebox'
import { decodeCursor, wrongCursor } from '../../http/paging.ts'
import { checker } from '../../http/validation.ts'
import { type Filters, filters, Sort } from './schemas.ts'

/** Where a page ended: what was asked for, and the sort key and id of its last house. */
const Cursor = Type.Object(
  {
    sort: Sort,
    filters: Type.Object(filters, { additionalProperties: false }),
    after: Type.Array(Type.Union([Type.String(), Type.Integer()])),
  },
  { additionalProperties: false },
)
export type Cursor = Static<typeof Cursor>

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
  const key = sort.replace('-', '') as keyof typeof isKey
  return isKey[key](after[0]) && isId(after.at(-1)) && after.length === (key === 'id' ? 1 : 2)
}

/** Reads a cursor. Throws a problem where the request names another order or another filter than it carries. */
export function readCursor(text: string, given: { sort: Sort | undefined; filters: Filters }): Cursor {
  const cursor = decodeCursor(text, isPosition)
  for (const [name, value] of Object.entries({ ...given.filters, ...(given.sort && { sort: given.sort }) })) {
    const carried = name === 'sort' ? cursor.sort : cursor.filters[name as keyof Filters]
    if (value !== carried)
      throw wrongCursor(`It belongs to a list with another ${name}: leave ${name} out, or start anew.`)
  }
  return cursor
}
