import { kindsOf } from '../contract/problem-kinds.ts'
import { Problem } from '../contract/problems.ts'
import { onViolation } from '../database/errors.ts'
import type { Fault } from '../http/validation.ts'
import type { HousingPatch } from './schemas.ts'

/** The problems that only houses have. */
export const housingKinds = kindsOf({
  'version-conflict': [
    409,
    'The house has changed',
    'The operation names a version that is not the current one of its house; `current_version` is. `index` is the position of the operation in the batch, from 0. Nothing in the batch was done.',
  ],
  'not-restorable': [
    409,
    'This version cannot be restored',
    'The version is a deletion, or its housing type no longer exists. `detail` says which, and `current_version` is the newest version of the house. Nothing was changed.',
  ],
  'position-gone': [
    410,
    'The feed does not have this position',
    'The position comes from another feed, or from changes that a restored copy of the database lacks. Export the houses again (`GET /api/v2/housing/export`), and follow the changes from the `Feed-Position` of that answer.',
  ],
  'unknown-housing-type': [
    422,
    'Unknown housing type',
    'No housing type has this code. `GET /api/v2/housing-types` lists them; `PUT /api/v2/housing-types/{code}` adds one.',
  ],
})

/** Turns the foreign key violation of an unknown housing type into its problem; `pointer` locates it in the body. */
export const unknownHousingType = ({ housing_type }: HousingPatch, pointer = '/housing_type') =>
  onViolation('fk_housing_type', () => {
    const { code, detail } = unknownType(housing_type)
    return new Problem(housingKinds['unknown-housing-type'], detail, { errors: [{ pointer, code, detail }] })
  })

/** What is wrong with the code of a type that does not exist. */
export const unknownType = (code: string | undefined): Fault => ({
  field: 'housing_type',
  code: 'unknown',
  detail: `No housing type has the code ${code}. GET /api/v2/housing-types lists them.`,
})
