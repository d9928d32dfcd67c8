import { type Static, Type } from 'typebox'
import { Next, paging } from '../../contract/paging.ts'
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
const Searched = (what: string, example: string) => Type.String({ ...Text(what, example), maxLength: 100 })

/** The filters, in the query and in a cursor; all that are given must hold. queries.ts has the condition of each. */
export const filters = {
  postal_code: Type.Optional(
    Type.String({
      pattern: `^${blanks}${letter}${blanks}[0-9]${blanks}${letter}(${blanks}[0-9]${blanks}${letter}${blanks}[0-9])?${blanks}$`,
      maxLength: 50,
      description:
        'A whole postal code, or its first three characters, in upper or lower case, with or without spaces or hyphens.',
      examples: ['V8W'],
    }),
  ),
  city: Type.Optional(Searched('The whole name of the city, ignoring case and how accents are composed', 'victoria')),
  street: Type.Optional(Searched('The beginning of the street, ignoring case and how accents are composed', 'douglas')),
  housing_type: Type.Optional(
    Type.String({
      pattern: '^[A-Z]{3}(,[A-Z]{3}){0,99}$',
      description: 'Codes of housing types, separated by commas. Matches houses of any of these types.',
      examples: ['SFD,MFD'],
    }),
  ),
  updated_since: Type.Optional(DateTime('Only houses changed at or after this time')),
  q: Type.Optional(
    Type.String({
      format: 'well-formed',
      pattern: '^[^\\u0000-\\u001F\\u007F-\\u009F]{1,100}$',
      description:
        'Words to search for, 1 to 100 characters. Each must begin a word of address, street or city, ignoring case and how accents are composed. Punctuation separates words.',
      examples: ['doug vic'],
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

export const Sort = Type.Enum(
  sorts.flatMap((sort) => [sort, `-${sort}` as const]),
  { description: `One of ${sorts.join(', ')}; a leading minus sorts in descending order.` },
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
    count: Type.Optional(Type.Enum(['exact'], { description: '`exact` adds `total`, the number of all matches.' })),
    fields: Type.Optional(
      Type.String({
        pattern: `^${anyMember}(,${anyMember}){0,19}$`,
        description: `The members to return, separated by commas: ${members.join(', ')}.`,
        examples: ['id,postal_code'],
      }),
    ),
  },
  { additionalProperties: false },
)
export type ListQuery = Static<typeof ListQuery>

/** A page. With `fields` its items have only those members. */
export const HousingPage = Type.Object(
  {
    items: Type.Array(Type.Partial(Type.Object(Housing.properties))),
    next: Next,
    total: Type.Optional(Type.Integer({ description: 'The number of all matches; only with count=exact.' })),
  },
  { $id: 'HousingPage' },
)
export type HousingPage = Static<typeof HousingPage>
