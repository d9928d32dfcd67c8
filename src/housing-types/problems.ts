import { kindsOf } from '../contract/problem-kinds.ts'

/** The problems that only housing types have. */
export const housingTypeKinds = kindsOf({
  'housing-type-in-use': [
    409,
    'The housing type is in use',
    'Houses have this type, so it cannot be deleted. Give them another type, or delete them, first.',
  ],
})
