import { Type } from 'typebox'
import { invalidParameter, type Problem } from './problems.ts'

/** The parameters of everything that is answered in pages. */
export const paging = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'How many at most: 1 to 1000.' }),
  ),
  cursor: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_-]{1,4000}$',
      description: 'The `next` of a page before: continues its list, whose filters and order it carries.',
    }),
  ),
}

/** The cursor of the next page, as it is answered. */
export const Next = Type.Union([Type.String(), Type.Null()], {
  description: 'The cursor of the next page; null at the end.',
})

/** A cursor is opaque but not secret: it grants nothing that its query would not. */
const encodeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url')

/** Reads a cursor, if there is one. Throws the 400 where it is not of this list. */
export function decodeCursor<T>(text: string | undefined, isPosition: (value: unknown) => value is T): T | undefined {
  if (text === undefined) return undefined
  const position = parse(Buffer.from(text, 'base64url').toString())
  if (!isPosition(position)) throw wrongCursor('is not of this list: use the `next` of a page as it is.')
  return position
}

/** A page of rows, of which one more than the limit was read, and the cursor of the next page, if there is one. */
export function pageOf<Row>(rows: Row[], limit: number, positionOf: (last: Row) => unknown) {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? encodeCursor(positionOf(last)) : null }
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

export const wrongCursor = (what: string): Problem => invalidParameter('cursor', 'cursor', what)

type Query = Record<string, string | number | undefined>

/**
 * The header Link (RFC 8288) of a page: the first page of its list, and the next page if there is one. `list` are the
 * parameters that choose the list, which a cursor carries; `page` those that every page repeats.
 */
export function linkOf(path: string, next: string | null, page: Query, list: Query = {}): string {
  const first = `<${path}?${written({ ...list, ...page })}>; rel="first"`
  return next === null ? first : `${first}, <${path}?${written({ cursor: next, ...page })}>; rel="next"`
}

function written(query: Query): string {
  let text = ''
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) text += `${text && '&'}${name}=${encodeURIComponent(value)}`
  return text
}
