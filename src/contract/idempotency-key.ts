import type { IncomingHttpHeaders } from 'node:http'
import { Type } from 'typebox'
import { constraintForbids, failures, RetryAfter } from './contract.ts'
import { Problem } from './problems.ts'

/** The key of a request, if it has one. */
export function readIdempotencyKey(headers: IncomingHttpHeaders): string | undefined {
  const header = headers['idempotency-key']
  if (header === undefined) return undefined
  const key = String(header).replace(/^"(.*)"$/, '$1')
  if (/^[\x21-\x7e]{1,255}$/.test(key)) return key
  throw new Problem('malformed-request', 'Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID.')
}

/** The header as the contract describes it. */
export const IdempotencyKey = Type.Object({
  'Idempotency-Key': Type.Optional(
    Type.String({
      pattern: '^(?!""$)("[\\x21-\\x7E]{1,255}"|[\\x21-\\x7E]{1,255})$',
      description:
        'Makes the request safe to repeat for 24 hours: 1 to 255 visible ASCII characters, such as a UUID. Use a new key for each new request.',
    }),
  ),
})

/** The header of a repeated answer, as the contract describes it. */
export const IdempotencyReplayed = Type.Optional(
  Type.String({ description: '`true` if this is the stored answer to an earlier request with the same key.' }),
)

/** The failing answers of a route whose requests may have a key: those of `failures`, and those that a key causes. */
export function keyedFailures<S extends number = never>(reasons = {} as Record<S, string>) {
  const answers = failures<S | 409 | 422>({ ...keyFailures, ...reasons })
  return { ...answers, 409: { ...answers[409], headers: { 'Retry-After': RetryAfter } } }
}

/** What a key can cause. */
export const keyFailures = {
  409: `A request with the same Idempotency-Key is in progress. Or: ${constraintForbids}`,
  422: 'The body is invalid, or the Idempotency-Key belongs to another request.',
}
