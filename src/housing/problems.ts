import { kindsOf } from '../contract/problem-kinds.ts'
import { Problem } from '../contract/problems.ts'
import { onViolation } from '../database/errors.ts'
import type { HousingPatch } from './schemas.ts'

/** What can go wrong with houses only. */
export const housingKinds = kindsOf({
  'version-conflict': [
    409,
    'It has changed meanwhile',
    'The house is not, or no longer, in the version that the operation names; `current_version` is the one that it is in. `index` is the place of the operation in the batch, of which nothing was done.',
  ],
  'not-restorable': [
    409,
    'This version cannot be restored',
    'The version is a deletion, or its housing type does not exist any more. `detail` says which. Nothing was changed.',
  ],
  'unknown-housing-type': [
    422,
    'Unknown housing type',
    'No housing type has this code. `GET /api/v2/housing-types` lists them; `PUT /api/v2/housing-types/{code}` adds one.',
  ],
})

/** Names the violation that an unknown housing type causes; the pointer leads to it in the body. */
export const unknownHousingType = ({ housing_type }: HousingPatch, pointer = '/housing_type') =>
  onViolation('fk_housing_type', () => {
    const detail = `No housing type has the code ${housing_type}. GET /api/v2/housing-types lists them.`
    return new Problem(housingKinds['unknown-housing-type'], detail, { errors: [{ pointer, code: 'unknown', detail }] })
  })
