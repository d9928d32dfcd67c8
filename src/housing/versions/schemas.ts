import { type Static, Type } from 'typebox'
import { PositiveInteger, ref } from '../../contract/contract.ts'
import { Choice } from '../../contract/json-schema.ts'
import { PageOf, paging } from '../../contract/paging.ts'
import { exampleHousing, Housing, HousingId, writableMembers } from '../schemas.ts'

/** One version of a house. */
export const HousingVersion = Type.Object(
  {
    version: Type.Integer({ format: 'int32' }),
    at: Type.String({ format: 'date-time' }),
    by: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Who did it, such as `key:7f3a9c01`; null where callers need not say who they are.',
    }),
    operation: Choice(['created', 'updated', 'deleted', 'restored']),
    changed: Type.Array(Choice(writableMembers), {
      maxItems: writableMembers.length,
      description: 'The members that differ from the version before.',
    }),
    house: ref(Housing),
  },
  {
    $id: 'HousingVersion',
    description: 'One change of a house. `house` is the house after it; for a deletion, the house before it.',
  },
)
export type HousingVersion = Static<typeof HousingVersion>

export const HousingVersionPage = PageOf(HousingVersion, 'HousingVersionPage')

export const VersionsQuery = Type.Object(paging, { additionalProperties: false })

export const HousingVersionId = Type.Object({
  ...HousingId.properties,
  version: PositiveInteger('A version of the house.', 1),
})

export const exampleVersion: HousingVersion = {
  version: exampleHousing.version,
  at: exampleHousing.updated_at,
  by: null,
  operation: 'updated',
  changed: ['housing_type'],
  house: exampleHousing,
}
