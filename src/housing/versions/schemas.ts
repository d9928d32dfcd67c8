import { type Static, Type } from 'typebox'
import { Next, paging } from '../../contract/paging.ts'
import { exampleHousing, Housing, HousingId, writable } from '../schemas.ts'

/** What became of a house at one time. */
export const HousingVersion = Type.Object({
  version: Type.Integer(),
  at: Type.String({ format: 'date-time' }),
  by: Type.Union([Type.String(), Type.Null()], { description: 'Who did it; null while there is no authentication.' }),
  operation: Type.Enum(['created', 'updated', 'deleted', 'restored']),
  changed: Type.Array(Type.Enum(writable), { description: 'The members that are not as in the version before.' }),
  house: Type.Object(Housing.properties, { description: 'The house as it was from then on, or as it was deleted.' }),
})
export type HousingVersion = Static<typeof HousingVersion>

export const HousingVersionPage = Type.Object(
  { items: Type.Array(HousingVersion), next: Next },
  { $id: 'HousingVersionPage' },
)

export const VersionsQuery = Type.Object(paging, { additionalProperties: false })

export const HousingVersionId = Type.Object({
  ...HousingId.properties,
  version: Type.Integer({ minimum: 1, maximum: 2147483647, description: 'A version of the house.', examples: [1] }),
})

export const exampleVersion: HousingVersion = {
  version: exampleHousing.version,
  at: exampleHousing.updated_at,
  by: null,
  operation: 'updated',
  changed: ['housing_type'],
  house: exampleHousing,
}
