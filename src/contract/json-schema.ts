import { Ajv2020, type Options } from 'ajv/dist/2020.js'
import { type Static, type TSchema, Type } from 'typebox'
import { isVisible } from './text.ts'
import { isDateTime } from './time.ts'

/** The greatest `integer` of Postgres. */
export const maxInt4 = 2147483647

/** Marks path parameters that may name a new resource: an invalid one is then a 422, not a 404. */
export const mayCreate = { 'x-may-create': true }

/** Marks query parameters that the contract leaves to the description of their operation. */
export const notListed = { 'x-not-listed': true }

/** One of these words. (`Type.Enum` alone leaves `type` out, and then generated clients do not see that it is text.) */
export const Choice = <Words extends string[]>(words: readonly [...Words], description?: string) =>
  Type.Enum(words, { type: 'string', ...(description && { description }) })

export const ajvOptions: Options = {
  allErrors: true,
  verbose: true,
  formats: {
    'date-time': isDateTime,
    visible: isVisible,
    int32: true, // for generated clients; `minimum` and `maximum` are what counts here
    int64: true,
    'well-formed': (text: string) => text.isWellFormed(), // no lone surrogates, which a pattern cannot rule out
  },
  keywords: Object.keys({ ...mayCreate, ...notListed }),
  discriminator: true,
  validateSchema: false, // a test lints the contract; here it would take half of the time that the server needs to start
}

/** Compiles a schema that is not part of a route, such as that of a cursor. */
export function checker<T extends TSchema>(schema: T): (value: unknown) => value is Static<T> {
  const matches = new Ajv2020(ajvOptions).compile(schema)
  return (value): value is Static<T> => matches(value)
}
