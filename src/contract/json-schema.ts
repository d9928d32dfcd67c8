import { Ajv2020, type Options } from 'ajv/dist/2020.js'
import type { Static, TSchema } from 'typebox'
import { isVisible } from './text.ts'
import { isDateTime } from './time.ts'

/** The greatest `integer` of Postgres. */
export const maxInt4 = 2147483647

/** Marks path parameters that may name a new resource: an invalid one is then a 422, not a 404. */
export const mayCreate = { 'x-may-create': true }

export const ajvOptions: Options = {
  allErrors: true,
  verbose: true,
  formats: {
    'date-time': isDateTime,
    visible: isVisible,
    'well-formed': (text: string) => text.isWellFormed(), // no lone surrogates, which a pattern cannot rule out
  },
  keywords: Object.keys(mayCreate),
  discriminator: true,
  validateSchema: false, // a test lints the contract; here it would take half of the time that the server needs to start
}

/** Compiles a schema that is not part of a route, such as that of a cursor. */
export function checker<T extends TSchema>(schema: T): (value: unknown) => value is Static<T> {
  const matches = new Ajv2020(ajvOptions).compile(schema)
  return (value): value is Static<T> => matches(value)
}
