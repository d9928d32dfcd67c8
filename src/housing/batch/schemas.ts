import { type Static, Type } from 'typebox'
import { PositiveInteger, ref } from '../../contract/contract.ts'
import { Choice } from '../../contract/json-schema.ts'
import { exampleHousing, Housing, HousingInput, HousingPatch } from '../schemas.ts'

/** How many operations a batch may have. */
export const maxOperations = 1000

const strict = { additionalProperties: false }
const id = PositiveInteger('The id of a house.', 17)
const version = PositiveInteger('The version that the house must be in.', 3)

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
const BatchOperation = Type.Unsafe<Operation>({
  $id: 'BatchOperation',
  type: 'object',
  description: '`op` must be create, update or delete.',
  discriminator: { propertyName: 'op' },
  oneOf: [ref(BatchCreate), ref(BatchUpdate), ref(BatchDelete)],
})

/** Operations of which all are done, in this order, or none. */
export const Batch = Type.Object(
  {
    operations: Type.Array(ref(BatchOperation), {
      minItems: 1,
      maxItems: maxOperations,
      description: `1 to ${maxOperations} operations, done in this order.`,
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

const BatchResult = Type.Object(
  {
    op: Choice(['create', 'update', 'delete']),
    id: Type.Integer({ format: 'int32' }),
    version: Type.Integer({
      format: 'int32',
      description: 'The version that the operation created. A deletion counts as a version.',
    }),
    house: Type.Optional(ref(Housing)),
  },
  { $id: 'BatchResult', description: 'What an operation did. `house` is the house as it is now; a deletion has none.' },
)
export type BatchResult = Static<typeof BatchResult>

export const BatchResults = Type.Object(
  { results: Type.Array(ref(BatchResult), { maxItems: maxOperations }) },
  { $id: 'BatchResults' },
)

export const batchShapes = [BatchCreate, BatchUpdate, BatchDelete, BatchOperation, Batch, BatchResult, BatchResults]

export const exampleResults = { results: [{ op: 'create', id: 17, version: 3, house: exampleHousing }] }
