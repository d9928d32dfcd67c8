import type { FastifyReply } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { checker, maxInt4 } from './json-schema.ts'
import { invalidParameter, type Problem } from './problems.ts'

/** The parameters of every list that is answered in pages. */
export const paging = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'The most items of a page: 1 to 1000.' }),
  ),
  cursor: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_-]{1,4000}$',
      description: 'The `next` of the page before. It carries the filters and the order of its list.',
    }),
  ),
}

/** The cursor of the next page, as it is answered. */
export const Next = Type.Union([Type.String(), Type.Null()], {
  description: 'The cursor of the next page; null at the end.',
})

/** The shape of a page of these items. */
export const PageOf = <Item extends TSchema>(item: Item, $id: string) =>
  Type.Object({ items: Type.Array(item), next: Next }, { $id })

/** A cursor is opaque but not secret: it grants nothing that its query would not. */
const encodeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url')

/** Reads a cursor, if there is one. Throws the 400 where it is not of this list. */
export function decodeCursor<T>(text: string | undefined, isPosition: (value: unknown) => value is T): T | undefined {
  if (text === undefined) return undefined
  const position = parse(Buffer.from(text, 'base64url').toString())
  if (!isPosition(position)) throw invalidCursor('is not of this list: use the `next` of a page as it is.')
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

export const invalidCursor = (what: string): Problem => invalidParameter('cursor', 'cursor', what)

const isIdPosition = checker(
  Type.Object({ after: Type.Integer({ minimum: 1, maximum: maxInt4 }) }, { additionalProperties: false }),
)

/** In a list in the order of ids: the id after which the page begins, 0 for the first page. */
export const afterId = (cursor: string | undefined): number => decodeCursor(cursor, isIdPosition)?.after ?? 0

/** In a list in the order of ids: where a page ended. */
export const positionById = ({ id }: { id: number }) => ({ after: id })

type Query = Record<string, string | number | undefined>

/**
 * Answers a page, with the header Link (RFC 8288) to the first page of its list and to the next one. `repeated` are the
 * parameters of every page, `list` those that choose the list, which a cursor carries.
 */
export function sendPage<Page extends { next: string | null }>(
  reply: FastifyReply,
  content: Page,
  { repeated, list = {} }: { repeated: Query; list?: Query },
): FastifyReply {
  const path = reply.request.url.split('?', 1)[0]
  const links = [`<${path}?${written({ ...list, ...repeated })}>; rel="first"`]
  if (content.next !== null) links.push(`<${path}?${written({ cursor: content.next, ...repeated })}>; rel="next"`)
  return reply.header('link', links.join(', ')).send(content)
}

function written(query: Query): string {
  let text = ''
  for (const [name, value] of Object.entries(query))
    if (value !== undefined) text += `${text && '&'}${name}=${encodeURIComponent(value)}`
  return text
}
