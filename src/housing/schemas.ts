import { type Static, Type } from 'typebox'
import { PositiveInteger } from '../contract/contract.ts'
import { Text, trimmed } from '../contract/text.ts'
import { DateTime } from '../contract/time.ts'
import { bookkeeping, exampleBookkeeping } from '../contract/versioned.ts'
import { canonical, PostalCode } from './postal-code.ts'

/** A house in an answer. It has types but no patterns: old rows may break today's rules. */
export const Housing = Type.Object(
  {
    id: Type.Integer({ format: 'int32' }),
    address: Type.String(),
    street: Type.String(),
    city: Type.String(),
    postal_code: Type.String(),
    housing_type: Type.String({ description: 'The code of its housing type.' }),
    ...bookkeeping,
  },
  { $id: 'Housing' },
)
export type Housing = Static<typeof Housing>

const values = {
  address: Text('House number, or name', '735'),
  street: Text('Street', 'Broughton Street'),
  city: Text('City', 'Victoria'),
  postal_code: PostalCode,
  housing_type: Type.String({
    pattern: '^[A-Z]{3}$',
    description: 'The code of a housing type: three capital letters.',
    examples: ['SFD'],
  }),
}

/** The members that a client may set. */
export const writableMembers = Object.keys(values) as (keyof typeof values)[]

/** The writable members that are columns under the same name. (The housing type is stored as an id.) */
export const ownColumns = writableMembers.filter((member) => member !== 'housing_type')

const example = {
  address: '735',
  street: 'Broughton Street',
  city: 'Victoria',
  postal_code: 'v8w3h2',
  housing_type: 'COP',
}

/** A house as a client sends it: all that a client may set. */
export const HousingInput = Type.Object(values, {
  $id: 'HousingInput',
  additionalProperties: false,
  examples: [example],
})
export type HousingInput = Static<typeof HousingInput>

/** A merge patch (RFC 7396): the members to change. None can be removed, so null is rejected. */
export const HousingPatch = Type.Partial(Type.Object(values), {
  $id: 'HousingPatch',
  additionalProperties: false,
  description:
    'A merge patch (RFC 7396): the members to change; the others stay as they are. Its media type is application/merge-patch+json; application/json is accepted too, and means the same. No member can be removed, so null is rejected.',
  examples: [{ housing_type: 'MFD' }],
})
export type HousingPatch = Static<typeof HousingPatch>

/** The house as it is stored: without spaces at the ends, the postal code in canonical form. */
export function asStored<House extends HousingPatch>(house: House): House {
  const stored = Object.entries<string>(house).map(([name, value]) => [
    name,
    name === 'postal_code' ? canonical(value) : trimmed(value),
  ])
  return Object.fromEntries(stored)
}

export const HousingId = Type.Object({ id: PositiveInteger('The id of a house.', 1) })

/** The query of one house. */
export const AsOf = Type.Object(
  { as_of: Type.Optional(DateTime('The house as it was at this time')) },
  { additionalProperties: false },
)

export const exampleHousing: Housing = {
  id: 17,
  ...example,
  postal_code: 'V8W 3H2',
  ...exampleBookkeeping,
}
