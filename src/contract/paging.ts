import type { FastifyReply } from 'fastify'
import { type TSchema, Type } from 'typebox'
import { ref } from './contract.ts'
import { checker, maxInt4 } from './json-schema.ts'
import { pathOf } from './path.ts'
import { invalidParameter, type Problem } from './problems.ts'

/** The most items that a page can have. */
export const maxLimit = 1000

/** The parameters of every list that is answered in pages. */
export const paging = {
  limit: Type.Optional(
    Type.Integer({
      format: 'int32',
      minimum: 1,
      maximum: maxLimit,
      default: 100,
      description: `The most items of a page: 1 to ${maxLimit}.`,
    }),
  ),
  cursor: Type.Optional(
    Type.String({
      pattern: '^[A-Za-z0-9_-]{1,4000}$',
      description: 'The `next` of the previous page. It already contains the filters and the order of the list.',
    }),
  ),
}

/** The cursor of the next page, as it is answered. */
export const Next = Type.Unsafe<string | null>({
  type: ['string', 'null'],
  description: 'The cursor of the next page; null on the last page.',
})

/** The items of a page. */
export const Items = <Item extends TSchema & { $id?: string }>(item: Item) =>
  Type.Array(ref(item), { maxItems: maxLimit })

/** The shape of a page of these items. */
export const PageOf = <Item extends TSchema & { $id?: string }>(item: Item, $id: string) =>
  Type.Object({ items: Items(item), next: Next }, { $id })

/** A cursor is opaque but not secret: any client may send the query that it stands for. */
const encodeCursor = (position: unknown): string => Buffer.from(JSON.stringify(position)).toString('base64url')

/**
 * Decodes a cursor, if there is one. Throws a 400 if it does not belong to this list, or is spelled differently: a
 * base64 decoder skips what it does not know.
 */
export function decodeCursor<T>(text: string | undefined, isPosition: (value: unknown) => value is T): T | undefined {
  if (text === undefined) return undefined
  const position = parse(Buffer.from(text, 'base64url').toString())
  if (!isPosition(position) || encodeCursor(position) !== text)
    throw invalidCursor('does not belong to this list: send the `next` of a page unchanged.')
  return position
}

/** Makes a page. `rows` must be read with limit + 1: the extra row shows that there is a next page. */
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

/** For lists ordered by id: the id after which the page begins, 0 for the first page. */
export const afterId = (cursor: string | undefined): number => decodeCursor(cursor, isIdPosition)?.after ?? 0

/** For lists ordered by id: where a page ended. */
export const positionById = ({ id }: { id: number }) => ({ after: id })

type Query = Record<string, string | number | undefined>

/**
 * Sends a page with a Link header (RFC 8288) to the first and the next page. `repeated`: parameters that every link
 * repeats; `list`: those that the cursor already carries.
 */
export function sendPage<Page extends { next: string | null }>(
  reply: FastifyReply,
  content: Page,
  { repeated, list = {} }: { repeated: Query; list?: Query },
): FastifyReply {
  const path = pathOf(reply.request)
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
