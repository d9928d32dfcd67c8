import { inPostalCode } from '../housing/queries.ts'

export type V1HousingRow = Awaited<ReturnType<typeof findV1Housing>>[number]

/** The houses with exactly this stored postal code, as version 1 knows them: their type by its id. */
export const findV1Housing = inPostalCode('find_v1_housing', (houses) =>
  houses.select(['h.id', 'h.address', 'h.street', 'h.city', 'h.postal_code', 'h.housing_type_id']),
)
