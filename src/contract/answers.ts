import type { TSchema } from 'typebox'
import { answer, bodyFailures, ETag, failures, Link, Location, noContent } from './contract.ts'
import { IdempotencyReplayed, keyFailures } from './idempotency-key.ts'

/** Descriptions of further failures, by status. They replace the usual description of the same status. */
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
    412: `The ${what} is not in the version that If-Match names.`,
    428: 'If-Match is missing.',
  }
  const answerWith = (description: string, headers: Record<string, TSchema>) =>
    answer(shape, description, { example, headers })
  return {
    page: {
      200: answer(page, 'One page of the list.', { example: { items: [example], next: null }, headers: { Link } }),
      ...failures(),
    },
    found: {
      200: answerWith(`The ${what}.`, { ETag }),
      304: noContent('The client already has the current version.', { ETag }),
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
      204: noContent(`The ${what} is deleted.`),
      ...failures({ ...conditional, ...reasons }),
    }),
  }
}
