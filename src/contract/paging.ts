import { Type } from 'typebox'
import { type Problem, wrongParameter } from './problems.ts'

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
export const encodeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url')

/** Reads a cursor. Throws a problem where it is none of this list. */
export function decodeCursor<T>(text: string, isPosition: (value: unknown) => value is T): T {
  const position = parse(Buffer.from(text, 'base64url').toString())
  if (!isPosition(position)) throw wrongCursor('is none of this list: take the `next` of a page as it is.')
  return position
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

export const wrongCursor = (what: string): Problem => wrongParameter('cursor', 'cursor', what)

type Query = Record<string, string | number | undefined>

/** The header Link (RFC 8288) of a page: the queries that lead to the first and to the next one, if there is one. */
export const link = (path: string, first: Query, next?: Query): string =>
  `<${path}?${written(first)}>; rel="first"${next ? `, <${path}?${written(next)}>; rel="next"` : ''}`

function written(query: Query): string {
  let text = ''
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) text += `${text && '&'}${name}=${encodeURIComponent(value)}`
  return text
}
