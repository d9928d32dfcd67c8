import { type Static, Type } from 'typebox'
import { ref } from '../../contract/contract.ts'
import { maxInt4 } from '../../contract/json-schema.ts'
import { maxLimit, paging } from '../../contract/paging.ts'
import { filters } from '../list/schemas.ts'
import { exampleHousing, Housing } from '../schemas.ts'
import { exampleVersion, HousingVersion } from '../versions/schemas.ts'

/** Fifteen digits: the most that a parameter may have. */
const maxPosition = 999_999_999_999_999

const Position = (description: string) =>
  Type.Integer({ format: 'int64', minimum: 0, maximum: maxPosition, description })

/** One change in the feed. */
export const HousingChange = Type.Object(
  {
    position: Position('Its place in the feed. Later changes have higher positions, not always the next one.'),
    at: HousingVersion.properties.at,
    by: HousingVersion.properties.by,
    operation: HousingVersion.properties.operation,
    id: Type.Integer({ format: 'int32', description: 'The id of the house.' }),
    version: Type.Integer({ format: 'int32', description: 'The version that the change made.' }),
    house: ref(Housing),
  },
  {
    $id: 'HousingChange',
    description: 'One change of a house. `house` is the house after it; for a deletion, the house before it.',
  },
)
export type Change = Static<typeof HousingChange>

export const HousingChangePage = Type.Object(
  {
    items: Type.Array(ref(HousingChange), { maxItems: maxLimit }),
    next: Position('The `after` of the next request. As long as it grows, there may be more.'),
  },
  { $id: 'HousingChangePage' },
)

/** What a change must be about. A house that ceases to match has one last change that matches. */
const ChangeFilters = Type.Object({
  id: Type.Optional(
    Type.Integer({ format: 'int32', minimum: 1, maximum: maxInt4, description: 'Only the changes of this house.' }),
  ),
  housing_type: filters.housing_type,
  postal_code: filters.postal_code,
})
export type ChangeFilters = Static<typeof ChangeFilters>

/** The longest that an answer waits for a change, in seconds. */
const maxWait = 30

export const ChangesQuery = Type.Object(
  {
    after: Type.Optional(Position('The changes after this position; without it, all from the first.')),
    ...ChangeFilters.properties,
    limit: paging.limit,
    wait: Type.Optional(
      Type.Integer({
        format: 'int32',
        minimum: 0,
        maximum: maxWait,
        default: 0,
        description: `While there is no change, the answer waits for one: up to so many seconds, at most ${maxWait}.`,
      }),
    ),
  },
  { additionalProperties: false },
)

const { changed: _, ...version } = exampleVersion
export const exampleChange: Change = { position: 4711, ...version, id: exampleHousing.id }
