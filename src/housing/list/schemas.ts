import { type Static, Type } from 'typebox'
import { Choice, notListed } from '../../contract/json-schema.ts'
import { Items, Next, paging } from '../../contract/paging.ts'
import { Text } from '../../contract/text.ts'
import { DateTime } from '../../contract/time.ts'
import { blanks } from '../postal-code.ts'
import { Housing } from '../schemas.ts'

const members = Object.keys(Housing.properties)
const letter = '[A-Za-z]'
const anyMember = `(${members.join('|')})`

/** What the list can be sorted by, each also descending with `-`; the id breaks ties in the same direction. */
export const sorts = ['id', 'city', 'postal_code', 'updated_at'] as const

/** Text to search for. Even fully escaped it fits into a cursor. */
const Searched = (what: string) => Type.String({ ...Text(what), maxLength: 100 })

/** The filters, in the query and in a cursor; all that are given must hold. queries.ts has the condition of each. */
export const filters = {
  postal_code: Type.Optional(
    Type.String({
      pattern: `^${blanks}${letter}${blanks}[0-9]${blanks}${letter}(${blanks}[0-9]${blanks}${letter}${blanks}[0-9])?${blanks}$`,
      maxLength: 50,
      description:
        'A whole postal code, or its first three characters, such as V8W, in upper or lower case, with or without spaces or hyphens.',
    }),
  ),
  city: Type.Optional(
    Searched('The whole name of the city, such as victoria, ignoring case and how accents are composed'),
  ),
  street: Type.Optional(
    Searched('The beginning of the street, such as douglas, ignoring case and how accents are composed'),
  ),
  housing_type: Type.Optional(
    Type.String({
      pattern: '^[A-Z]{3}(,[A-Z]{3}){0,99}$',
      description:
        'Codes of housing types, separated by commas, such as SFD,MFD. Matches houses of any of these types.',
    }),
  ),
  updated_since: Type.Optional(DateTime('Only houses changed at or after this time')),
  q: Type.Optional(
    Type.String({
      format: 'well-formed',
      pattern: '^[^\\u0000-\\u001F\\u007F-\\u009F]{1,100}$',
      description:
        'Words to search for, such as doug vic: 1 to 100 characters. Each must begin a word of address, street or city, ignoring case and how accents are composed. Punctuation separates words.',
    }),
  ),
}

export type FilterName = keyof typeof filters

/** The values of the filters that are given. */
export type Filters = { [Name in FilterName]?: string }

const filterNames = Object.keys(filters) as FilterName[]

/** The filters of a query, without its other parameters. */
export function filtersOf(query: { [Name in FilterName]?: string | undefined }): Filters {
  const given: Filters = {}
  for (const name of filterNames) {
    const value = query[name]
    if (value !== undefined) given[name] = value
  }
  return given
}

export const Sort = Choice(
  sorts.flatMap((sort) => [sort, `-${sort}` as const]),
  `One of ${sorts.join(', ')}; a leading minus sorts in descending order.`,
)
export type Sort = Static<typeof Sort>

/** The member to sort by, without the direction. */
export const keyOf = (sort: Sort) => sort.replace('-', '') as (typeof sorts)[number]

/** The query of the list. */
export const ListQuery = Type.Object(
  {
    ...filters,
    sort: Type.Optional(Sort),
    ...paging,
    count: Type.Optional(Choice(['exact'], '`exact` adds `total`, the number of all matches.')),
    fields: Type.Optional(
      Type.String({
        pattern: `^${anyMember}(,${anyMember}){0,19}$`,
        description: `The members to return, separated by commas: ${members.join(', ')}.`,
        ...notListed,
      }),
    ),
  },
  { additionalProperties: false },
)
export type ListQuery = Static<typeof ListQuery>

/** A page of whole houses; `fields` cuts it to less than this shape. */
export const HousingPage = Type.Object(
  {
    items: Items(Housing),
    next: Next,
    total: Type.Optional(
      Type.Integer({ format: 'int64', description: 'The number of all matches; only with count=exact.' }),
    ),
  },
  { $id: 'HousingPage' },
)

/** What the contract says of `fields`, which its list of parameters leaves out. */
export const aboutFields =
  'One more parameter, `fields`, names the members to return, separated by commas, such as `fields=id,postal_code`. It is not listed here, because its items are not whole houses, which generated clients expect.'

/** Whether Postgres may look at many houses to answer. */
export const isSearch = (query: object): boolean => 'q' in query || 'count' in query
