import { type Static, Type } from 'typebox'
import { PositiveInteger } from '../../contract/contract.ts'
import { PageOf, paging } from '../../contract/paging.ts'
import { exampleHousing, Housing, HousingId, writableMembers } from '../schemas.ts'

/** One version of a house. */
export const HousingVersion = Type.Object({
  version: Type.Integer(),
  at: Type.String({ format: 'date-time' }),
  by: Type.Union([Type.String(), Type.Null()], { description: 'Who did it; null while there is no authentication.' }),
  operation: Type.Enum(['created', 'updated', 'deleted', 'restored']),
  changed: Type.Array(Type.Enum(writableMembers), { description: 'The members that differ from the version before.' }),
  house: Type.Object(Housing.properties, {
    description: 'The house after this change; for a deletion, the house before it.',
  }),
})
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
