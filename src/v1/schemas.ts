import { Type } from 'typebox'
import { maxInt4 } from '../contract/json-schema.ts'

/** The most rows of one answer. */
export const maxLimit = 10_000

const house = {
  address: Type.String({ examples: ['735'] }),
  street: Type.String({ examples: ['Broughton Street'] }),
  city: Type.String({ examples: ['Victoria'] }),
  postal_code: Type.String({ examples: ['V8W 3H2'] }),
  housing_type_id: Type.Integer({ format: 'int32', examples: [1] }),
}

const example = {
  address: '735',
  street: 'Broughton Street',
  city: 'Victoria',
  postal_code: 'V8W 3H2',
  housing_type_id: 1,
}

const line = (example: string) => Type.String({ pattern: '^[^\\u0000]{0,50} *$', examples: [example] })

/** A house as a client sends it. These rules only document those of `readHouse`. */
export const V1HousingInput = Type.Object(
  {
    address: line('735'),
    street: line('Broughton Street'),
    city: line('Victoria'),
    postal_code: Type.String({ pattern: '^[A-Za-z][0-9][A-Za-z] [0-9][A-Za-z][0-9]$', examples: ['V8W 3H2'] }),
    housing_type_id: Type.Integer({ format: 'int32', minimum: -maxInt4 - 1, maximum: maxInt4, examples: [1] }),
  },
  { $id: 'V1HousingInput', examples: [example] },
)
export const V1Housing = Type.Object(
  { ...house, housing_id: Type.Integer({ format: 'int32', examples: [17] }) },
  { $id: 'V1Housing', examples: [{ ...example, housing_id: 17 }] },
)

export const V1HousingType = Type.Object(
  { code: Type.String(), description: Type.String(), housing_type_id: Type.Integer({ format: 'int32' }) },
  { $id: 'V1HousingType', examples: [{ code: 'SFD', description: 'Single Family Housing', housing_type_id: 1 }] },
)

export const V1Failure = Type.Object(
  { detail: Type.String() },
  { $id: 'V1Failure', description: 'A failure in a sentence.' },
)

export const V1ValidationFailure = Type.Object(
  {
    detail: Type.Array(
      Type.Object({
        type: Type.String(),
        loc: Type.Array(Type.Union([Type.String(), Type.Integer({ format: 'int32' })]), { maxItems: 10 }),
        msg: Type.String(),
        input: Type.Optional(Type.Unknown()),
        ctx: Type.Optional(Type.Unknown()),
      }),
      { maxItems: 100 },
    ),
  },
  { $id: 'V1ValidationFailure', description: 'All that is wrong with the input.' },
)

export const V1Paging = Type.Object({
  skip: Type.Optional(Type.Integer({ format: 'int64', minimum: 0, default: 0 })),
  limit: Type.Optional(Type.Integer({ format: 'int64', minimum: 0, default: 100 })),
})
