import { Problem } from '../contract/problems.ts'
import { onViolation } from '../database/errors.ts'
import type { HousingPatch } from './schemas.ts'

/** Names the violation that an unknown housing type is; the pointer leads to it in the body. */
export const unknownHousingType = ({ housing_type }: HousingPatch, pointer = '/housing_type') =>
  onViolation('fk_housing_type', () => {
    const detail = `No housing type has the code ${housing_type}. GET /api/v2/housing-types lists them.`
    return new Problem('unknown-housing-type', detail, { errors: [{ pointer, code: 'unknown', detail }] })
  })
