import type { TSchema } from 'typebox'
import { answer, bodyFailures, ETag, failures, Link, Location, noContent } from './contract.ts'
import { IdempotencyReplayed, keyFailures } from './idempotency-key.ts'

/** More failures of a route, by their status. */
type Reasons = Record<number, string>

interface Resource<Shape extends TSchema, Page extends TSchema> {
  /** The word for one of it, such as `house`. */
  what: string
  shape: Shape
  page: Page
  example: unknown
}

/** What the usual routes of a versioned resource answer, as the contract describes it. */
export function answersOf<Shape extends TSchema, Page extends TSchema>(resource: Resource<Shape, Page>) {
  const { what, shape, page, example } = resource
  const missing = { 404: `No ${what} has this id.` }
  const conditional = {
    ...missing,
    412: `The ${what} is in another version than If-Match names.`,
    428: 'If-Match is missing.',
  }
  const answerWith = (description: string, headers: Record<string, TSchema>) =>
    answer(shape, description, { example, headers })
  return {
    page: {
      200: answer(page, 'A page of them.', { example: { items: [example], next: null }, headers: { Link } }),
      ...failures(),
    },
    found: {
      200: answerWith(`The ${what}.`, { ETag }),
      304: noContent('The client has it already.', { ETag }),
      ...failures(missing),
    },
    created: (reasons: Reasons = {}) => ({
      201: answerWith(`The new ${what}.`, { ETag, Location, 'Idempotency-Replayed': IdempotencyReplayed }),
      ...failures({ ...bodyFailures, ...keyFailures, ...reasons }),
    }),
    changed: (reasons: Reasons = {}) => ({
      200: answerWith(`The ${what} as it is now.`, { ETag }),
      ...failures({ ...bodyFailures, ...conditional, ...reasons }),
    }),
    deleted: (reasons: Reasons = {}) => ({
      204: noContent('It is deleted.'),
      ...failures({ ...conditional, ...reasons }),
    }),
  }
}
