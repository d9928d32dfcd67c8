import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { Type } from 'typebox'
import { Problem } from './problems.ts'

/** The values of the entity tags in an `If-Match` or `If-None-Match` (RFC 9110, section 13.1), or `*`. */
export type EntityTags = '*' | string[]

const tagPattern = '(W\\/)?"([\\x21\\x23-\\x7e\\x80-\\xff]*)"'
const list = new RegExp(`^[\\s,]*${tagPattern}(\\s*,[\\s,]*${tagPattern})*[\\s,]*$`) // a list may have empty elements

/** What proxies that compress append to a tag: Apache and Caddy `-gzip`, Jetty `--gzip`, some `;gzip`. */
const encodingSuffix = /(--?|;|:)(gzip|br|zstd|deflate)$/

/**
 * A proxy that compresses makes `W/"17-3"` or `"17-3-gzip"` of our `"17-3"`. Both count as ours, for `If-Match` too: we
 * never send a weak tag, and each of our tags names one state of one resource, however its bytes are encoded on the way.
 */
function parseTags(name: string, header: string): EntityTags {
  if (header.trim() === '*') return '*'
  if (!list.test(header))
    throw new Problem('malformed-request', `${name} must be *, or a list of quoted entity tags such as "17-3".`)
  return [...header.matchAll(new RegExp(tagPattern, 'g'))].flatMap(([, , tag = '']) => {
    const original = tag.replace(encodingSuffix, '')
    return original === tag ? [tag] : [tag, original] // a hash of ours may end like a suffix
  })
}

/** The precondition of a write, if it has one. */
export const readIfMatch = (headers: IncomingHttpHeaders): EntityTags | undefined =>
  headers['if-match'] === undefined ? undefined : parseTags('If-Match', headers['if-match'])

/** The precondition of a write that must have one. */
export function requireIfMatch(headers: IncomingHttpHeaders): EntityTags {
  const tags = readIfMatch(headers)
  if (tags) return tags
  throw missingIfMatch()
}

export const missingIfMatch = () =>
  new Problem(
    'precondition-required',
    'The header If-Match is missing. Send the ETag of the version you read, or * to overwrite any version.',
  )

/** What the client has already, if it says so. */
export const readIfNoneMatch = (headers: IncomingHttpHeaders): EntityTags | undefined =>
  headers['if-none-match'] === undefined ? undefined : parseTags('If-None-Match', headers['if-none-match'])

/** Whether the client has this representation already, so that 304 is the answer. */
export function isKnown(headers: IncomingHttpHeaders, etag: string): boolean {
  const tags = readIfNoneMatch(headers)
  return tags === '*' || namesTag(tags, etag)
}

const namesTag = (tags: string[] | undefined, etag: string | undefined): boolean =>
  tags?.some((tag) => `"${tag}"` === etag) ?? false

/**
 * Checks optional If-Match and If-None-Match headers against the current ETag (undefined if nothing exists). Throws a
 * 412. Call it in a transaction that keeps other writers out.
 */
export function checkPreconditions(headers: IncomingHttpHeaders, current: string | undefined): void {
  const wanted = readIfMatch(headers)
  const isWanted = wanted === '*' || namesTag(wanted, current)
  if (wanted && (!isWanted || current === undefined)) throw stale(current)
  if (current !== undefined && isKnown(headers, current))
    throw new Problem('precondition-failed', 'The resource already exists, and If-None-Match excludes that.', {
      headers: { etag: current },
    })
}

/** A 412 with the current ETag (none if nothing exists) and, for versioned rows, the current version. */
export const stale = (etag: string | undefined, version?: number) =>
  new Problem(
    'precondition-failed',
    etag
      ? `The resource has changed: its ETag is now ${etag}. Read it again, then repeat the change.`
      : 'The resource does not exist, so If-Match cannot hold.',
    { ...(etag && { headers: { etag } }), ...(version && { members: { current_version: version } }) },
  )

/** A strong ETag made of the content itself. */
export const contentTag = (content: unknown): string =>
  `"${createHash('sha256').update(JSON.stringify(content)).digest('base64url').slice(0, 22)}"`

const whatToChange =
  'The ETag of the version to change, such as `"17-3"`, or * for any. A tag that a compressing proxy weakened or suffixed counts too.'

const header = (description: string, examples: string[] = []) =>
  Type.String({
    pattern: '^(\\*|(W/)?"[!#-~]*"(, *(W/)?"[!#-~]*")*)$',
    description,
    ...(examples.length > 0 && { examples }),
  })

/** The headers as the contract describes them; their values are parsed above. The example fits every version. */
export const IfMatch = Type.Object({ 'If-Match': header(whatToChange, ['*']) })
export const IfMatchIfThere = Type.Object({
  'If-Match': Type.Optional(header(`${whatToChange} Not needed if the resource is deleted.`, ['*'])),
})
export const IfNoneMatch = Type.Object({
  'If-None-Match': Type.Optional(header('The ETags that the client already has, such as `"17-3"`.')),
})
export const Preconditions = Type.Object({
  'If-Match': Type.Optional(header(whatToChange)),
  'If-None-Match': Type.Optional(header('* to fail if the resource already exists.')),
})
