import { type Static, Type } from 'typebox'
import { Problem } from '../../http/problems.ts'
import { checker } from '../../http/validation.ts'
import { DateTime, type Filters, filters, Sort } from './schemas.ts'

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
const isKey = { id: isId, city: isStoredText, postal_code: isStoredText, updated_at: checker(DateTime) }

/** Whether a page of this sort can end there: at an id, or at a key and an id. */
function isPosition(sort: Sort, after: unknown[]): boolean {
  const key = sort.replace('-', '') as keyof typeof isKey
  return isKey[key](after[0]) && isId(after.at(-1)) && after.length === (key === 'id' ? 1 : 2)
}

export const encodeCursor = (cursor: Cursor): string => Buffer.from(JSON.stringify(cursor)).toString('base64url')

/**
 * Reads a cursor, which is opaque but not secret: it grants nothing that its query would not. Throws a problem where it
 * is none of ours, or where the request names another order or another filter than it carries.
 */
export function decodeCursor(text: string, given: { sort: Sort | undefined; filters: Filters }): Cursor {
  const cursor = parse(text)
  if (!cursor) throw wrong('It is no cursor of this list: take the `next` of a page as it is, or leave it out.')
  for (const [name, value] of Object.entries({ ...given.filters, ...(given.sort && { sort: given.sort }) })) {
    const carried = name === 'sort' ? cursor.sort : cursor.filters[name as keyof Filters]
    if (value !== carried) throw wrong(`It belongs to a list with another ${name}: leave ${name} out, or start anew.`)
  }
  return cursor
}

function parse(text: string): Cursor | undefined {
  try {
    const cursor = JSON.parse(Buffer.from(text, 'base64url').toString())
    return isCursor(cursor) && isPosition(cursor.sort, cursor.after) ? cursor : undefined
  } catch {
    return undefined
  }
}

const wrong = (detail: string) =>
  new Problem('invalid-parameter', `cursor: ${detail}`, { errors: [{ parameter: 'cursor', code: 'cursor', detail }] })
