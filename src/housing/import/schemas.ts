import { type Static, Type } from 'typebox'
import { PositiveInteger, ref } from '../../contract/contract.ts'
import { Choice } from '../../contract/json-schema.ts'
import { HousingPatch } from '../schemas.ts'

/** How many faults are reported one by one. */
export const maxFaults = 1000

const uuid = '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'

const Count = (description: string) => Type.Integer({ format: 'int32', description })

const RowFault = Type.Object(
  {
    line: Type.Integer({
      format: 'int32',
      description:
        'The line in which the row begins; the header is line 1. In an array: the number of the item, from 1.',
    }),
    field: Type.String({ description: 'The column or member; empty if it is the row as a whole.' }),
    code: Type.String({ description: 'Stable, for programs.' }),
    detail: Type.String(),
  },
  { $id: 'RowFault', description: 'Why a row is rejected.' },
)

/** What an import did, or would do. */
export const ImportReport = Type.Object(
  {
    import_id: Type.Optional(
      Type.String({ pattern: uuid, description: 'After a dry run: what to apply, within an hour.' }),
    ),
    received: Count('How many rows the file has.'),
    created: Count('How many rows are new houses.'),
    updated: Count('How many rows change a house.'),
    unchanged: Count('How many rows are as they are stored.'),
    rejected: Count('How many rows are wrong.'),
    errors: Type.Array(ref(RowFault), {
      maxItems: maxFaults,
      description: `The first ${maxFaults} faults, in the order of the rows. A row can have several.`,
    }),
  },
  { $id: 'ImportReport' },
)
export type ImportReport = Static<typeof ImportReport>

/** A new house, so that the examples can be sent as they are. */
const exampleRow = {
  address: '735',
  street: 'Broughton Street',
  city: 'Victoria',
  postal_code: 'V8W 3H2',
  housing_type: 'COP',
}

/** Files, by their media types. */
export const files = {
  'text/csv': Type.String({
    $id: 'CsvFile',
    description: 'CSV (RFC 4180) with a header, in UTF-8.',
    examples: [`${Object.keys(exampleRow).join()}\n${Object.values(exampleRow).join()}\n`],
  }),
  'application/x-ndjson': Type.String({
    $id: 'NdjsonFile',
    description: 'An ImportRow in each line, in UTF-8.',
    examples: [`${JSON.stringify(exampleRow)}\n`],
  }),
}

const exampleFault = { line: 2, field: 'version', code: 'version-conflict', detail: 'The house is in version 4.' }
const exampleRejectedRow = { id: 17, ...exampleRow, version: 3, ...exampleFault }

/** Rejected rows, as files. */
export const exampleRejected = {
  'application/x-ndjson': `${JSON.stringify(exampleRejectedRow)}\n`,
  'text/csv': `${Object.keys(exampleRejectedRow).join()}\n${Object.values(exampleRejectedRow).join()}\n`,
}

/** A row of an array: its members are checked one by one, so that one wrong row does not reject the others. */
export const ImportRow = Type.Object(
  {
    id: Type.Optional(PositiveInteger('The house to change; without it, the row is a new house.', 17)),
    ...HousingPatch.properties,
    version: Type.Optional(PositiveInteger('The version that the house must be in; without it, any.', 3)),
  },
  { $id: 'ImportRow' },
)

/** The most rows of an array. */
export const maxItems = 50_000

export const ImportRows = Type.Array(ref(ImportRow), { $id: 'ImportRows', maxItems, examples: [[exampleRow]] })

export const importShapes = [...Object.values(files), ImportRow, ImportRows, RowFault, ImportReport]

export const exampleReport: ImportReport = {
  received: 1000,
  created: 998,
  updated: 1,
  unchanged: 0,
  rejected: 1,
  errors: [
    { line: 17, field: 'postal_code', code: 'pattern', detail: 'is invalid. A Canadian postal code, such as V8W 1P6.' },
  ],
}

const OnError = Type.Optional(
  Choice(
    ['abort', 'skip'],
    '`abort`, the default: if a row is wrong, nothing is stored. `skip`: the other rows are stored.',
  ),
)

export const ImportQuery = Type.Object(
  {
    on_error: OnError,
    dry_run: Type.Optional(
      Choice(
        ['true', 'false'],
        '`true`: nothing is stored. The report names an import, which can be applied within an hour.',
      ),
    ),
  },
  { additionalProperties: false },
)

export const ApplyQuery = Type.Object({ on_error: OnError }, { additionalProperties: false })

export const ImportId = Type.Object({
  id: Type.String({
    pattern: uuid,
    description: 'What a dry run named.',
    examples: ['7d0c1f4e-2b7a-4c7e-9d64-0f6f5f6b8a11'],
  }),
})
