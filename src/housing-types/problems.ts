import { kindsOf } from '../contract/problem-kinds.ts'

/** What can go wrong with housing types only. */
export const housingTypeKinds = kindsOf({
  'housing-type-in-use': [
    409,
    'The housing type is in use',
    'Houses have this type, so it cannot be deleted. Give them another type, or delete them, first.',
  ],
})
