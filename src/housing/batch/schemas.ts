import { type Static, Type } from 'typebox'
import { ref } from '../../contract/contract.ts'
import { exampleHousing, Housing, HousingInput, HousingPatch } from '../schemas.ts'

/** How many operations a batch may have. */
export const most = 1000

const strict = { additionalProperties: false }
const id = Type.Integer({ minimum: 1, maximum: 2147483647, description: 'The id of a house.', examples: [17] })
const version = Type.Integer({
  minimum: 1,
  maximum: 2147483647,
  description: 'The version that it must be in.',
  examples: [3],
})

const BatchCreate = Type.Object(
  { op: Type.Literal('create'), house: ref(HousingInput) },
  { $id: 'BatchCreate', ...strict },
)
const BatchUpdate = Type.Object(
  { op: Type.Literal('update'), id, version, house: ref(HousingPatch) },
  { $id: 'BatchUpdate', ...strict },
)
const BatchDelete = Type.Object({ op: Type.Literal('delete'), id, version }, { $id: 'BatchDelete', ...strict })

export type Operation = Static<typeof BatchCreate> | Static<typeof BatchUpdate> | Static<typeof BatchDelete>
const Operation = Type.Unsafe<Operation>({
  type: 'object',
  description: 'One of create, update and delete, as `op` says.',
  discriminator: { propertyName: 'op' },
  oneOf: [ref(BatchCreate), ref(BatchUpdate), ref(BatchDelete)],
})

/** Operations of which all are done, in this order, or none. */
export const Batch = Type.Object(
  {
    operations: Type.Array(Operation, {
      minItems: 1,
      maxItems: most,
      description: `1 to ${most} operations, done in this order.`,
    }),
  },
  {
    $id: 'Batch',
    ...strict,
    examples: [
      {
        operations: [
          {
            op: 'create',
            house: {
              address: '1',
              street: 'Centennial Square',
              city: 'Victoria',
              postal_code: 'V8W 1P6',
              housing_type: 'COP',
            },
          },
        ],
      },
    ],
  },
)

export const BatchResults = Type.Object(
  {
    results: Type.Array(
      Type.Object({
        op: Type.Enum(['create', 'update', 'delete']),
        id: Type.Integer(),
        version: Type.Integer({ description: 'The version that the operation made; a deletion is one of its own.' }),
        house: Type.Optional(ref(Housing)),
      }),
    ),
  },
  { $id: 'BatchResults' },
)
export type BatchResult = Static<typeof BatchResults>['results'][number]

export const batchShapes = [BatchCreate, BatchUpdate, BatchDelete, Batch, BatchResults]

export const exampleResults = { results: [{ op: 'create', id: 17, version: 3, house: exampleHousing }] }
