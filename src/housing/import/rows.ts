import { Type } from 'typebox'
import { PositiveInteger } from '../../contract/contract.ts'
import { type Fault, faultFinder } from '../../http/validation.ts'
import { Housing, HousingInput, HousingPatch, writableMembers } from '../schemas.ts'

/** A row of a file: its members as they were sent, and what is wrong with them. */
export interface Row {
  /** The line in which it begins, as an editor counts: the first is 1. */
  line: number
  sent: Record<string, unknown>
  faults: Fault[]
}

/** What the rejected rows are sent back with, besides their own members. */
export const reportColumns = ['line', 'field', 'code', 'detail']

/** The members that a row can have in an export, but that only the registry sets. */
const kept = Object.keys(Housing.properties).filter((name) => !['id', 'version', ...writableMembers].includes(name))

/** The columns that count, in the order of an export. */
export const columns = ['id', ...writableMembers, 'version']

/** The columns that a file may have besides: a row may come from an export, or from the report of another import. */
export const ignoredColumns = [...kept, ...reportColumns]

const faultsOfNew = faultFinder(HousingInput)
const faultsOfChange = faultFinder(
  Type.Object(
    {
      ...HousingPatch.properties,
      id: PositiveInteger('The id of a house.', 17),
      version: Type.Optional(PositiveInteger('The version that the house must be in.', 3)),
    },
    { additionalProperties: false },
  ),
)

/**
 * Checks a row as POST checks a new house, and PATCH changes. A row may have the members of a report, and one with an `id`
 * those of an export too.
 */
export function checked(line: number, sent: unknown): Row {
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent))
    return { line, sent: {}, faults: faultsOfNew(sent) }
  const hasId = 'id' in sent
  const ignored = hasId ? ignoredColumns : reportColumns
  const members = without(ignored, sent)
  return { line, sent: members, faults: hasId ? faultsOfChange(members) : faultsOfNew(members) }
}

function without(names: string[], members: object): Row['sent'] {
  if (!Object.keys(members).some((name) => names.includes(name))) return members as Row['sent']
  return Object.fromEntries(Object.entries(members).filter(([name]) => !names.includes(name)))
}
