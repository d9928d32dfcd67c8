import type { TSchema } from 'typebox'
import {
  answer,
  bodyFailures,
  constraintForbids,
  ETag,
  failures,
  Link,
  type Links,
  Location,
  noContent,
} from './contract.ts'
import { IdempotencyReplayed, keyedFailures } from './idempotency-key.ts'

/** Descriptions of further failures, by status. They replace the usual description of the same status. */
type Reasons = Record<number, string>

interface Resource<Shape extends TSchema, Page extends TSchema> {
  /** The word for one of it, such as `house`. */
  what: string
  /** The operations are named after it: `getHousing`, `replaceHousing`, `patchHousing`, `deleteHousing`, `listHousing`. */
  shape: Shape & { $id?: string }
  page: Page
  example: unknown
}

const reading = { scope: 'housing:read' } as const
const writing = { scope: 'housing:write' } as const

/**
 * The usual routes of a versioned resource, as the contract describes them: the scope that they need, what they do and
 * answer, and what can follow.
 */
export function answersOf<Shape extends TSchema, Page extends TSchema>(resource: Resource<Shape, Page>) {
  const { what, shape, page, example } = resource
  const missing = { 404: `No ${what} has this id.` }
  const conditional = {
    ...missing,
    409: constraintForbids,
    412: `The ${what} is not in the version that If-Match names.`,
    428: 'If-Match is missing.',
  }
  const isConditional = `Needs the \`ETag\` of the ${what} as \`If-Match\`, so that nobody else's change gets lost.`
  const answerWith = (description: string, headers: Record<string, TSchema>) =>
    answer(shape, description, { example, headers })
  const to = (verbs: string[], parameters: Record<string, string>): Links[number] =>
    Object.fromEntries(verbs.map((verb) => [`${verb}${shape.$id}`, { operationId: `${verb}${shape.$id}`, parameters }]))
  const toChanges = (id: string) => to(['replace', 'patch', 'delete'], { id, 'If-Match': '$response.header.ETag' })
  return {
    page: {
      ...reading,
      description:
        'Page by page: send the `next` of one page as `cursor` to get the following one. The header `Link` has its URL.',
      links: {
        200: {
          ...to(['get'], { id: '$response.body#/items/0/id' }),
          ...to(['list'], { cursor: '$response.body#/next' }),
        },
      },
      response: {
        200: answer(page, 'One page of the list.', { example: { items: [example], next: null }, headers: { Link } }),
        ...failures(),
      },
    },
    found: {
      ...reading,
      description:
        'With the `ETag` that a change needs. If `If-None-Match` names the current version, the answer is a 304.',
      links: { 200: toChanges('$request.path.id') },
      response: {
        200: answerWith(`The ${what}.`, { ETag }),
        304: noContent('The client already has the current version.', { ETag }),
        ...failures(missing),
      },
    },
    created: (reasons: Reasons = {}) => ({
      ...writing,
      description: 'Can be repeated safely with an `Idempotency-Key`.',
      links: {
        201: {
          ...to(['get'], { id: '$response.body#/id' }),
          ...toChanges('$response.body#/id'),
        },
      },
      response: {
        201: answerWith(`The new ${what}.`, { ETag, Location, 'Idempotency-Replayed': IdempotencyReplayed }),
        ...keyedFailures({ ...bodyFailures, ...reasons }),
      },
    }),
    changed: (reasons: Reasons = {}) => ({
      ...writing,
      description: isConditional,
      links: { 200: { ...to(['get'], { id: '$request.path.id' }), ...toChanges('$request.path.id') } },
      response: {
        200: answerWith(`The ${what} as it is now.`, { ETag }),
        ...failures({ ...bodyFailures, ...conditional, ...reasons }),
      },
    }),
    deleted: (reasons: Reasons = {}) => ({
      ...writing,
      description: isConditional,
      response: {
        204: noContent(`The ${what} is deleted.`),
        ...failures({ ...conditional, 422: constraintForbids, ...reasons }),
      },
    }),
  }
}
