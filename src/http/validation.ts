import type { ValidatorFactory } from '@fastify/ajv-compiler'
import { Ajv2020, type AnySchema, type ErrorObject, type Options } from 'ajv/dist/2020.js'
import type { FastifyInstance } from 'fastify'
import type { FastifyRouteSchemaDef } from 'fastify/types/schema.js'
import { type Static, type TObject, type TSchema, Type } from 'typebox'
import { Problem } from '../contract/problems.ts'

/** Marks the parameters of a path at which something may be created: wrong ones are a 422, as a body's members are. */
export const namesNew = { 'x-names-new': true }

const options: Options = {
  allErrors: true,
  verbose: true,
  formats: {
    'date-time': isDateTime,
    'well-formed': (text: string) => text.isWellFormed(), // no halves of surrogate pairs: many patterns cannot say it
  },
  keywords: Object.keys(namesNew),
  discriminator: true,
  validateSchema: false, // the contract's own test does: here it takes half of the time that the whole server needs to start
}

/** Judges a value by a schema that is no part of a route. */
export function checker<T extends TSchema>(schema: T): (value: unknown) => value is Static<T> {
  const matches = new Ajv2020(options).compile(schema)
  return (value): value is Static<T> => matches(value)
}

/**
 * Validates requests as their schemas say, without changing them, and tells all that is wrong: of parameters in a 400,
 * of the body in a 422; a path that cannot name anything is a 404. Only query and path texts become numbers first.
 * What headers may hold is judged by whoever reads them.
 */
export const buildValidator = ((components: Record<string, AnySchema>) => {
  const ajv = new Ajv2020(options).addSchema(Object.values(components))
  return ({ schema, httpPart }: FastifyRouteSchemaDef<TObject>) => {
    if (httpPart === 'headers') return () => true
    const matches = ajv.compile(schema)
    const numbers = httpPart === 'body' ? [] : integersOf(schema)
    return (given: Record<string, unknown>) => {
      const value = withNumbers(given, numbers)
      return matches(value) ? { value } : { error: refusal(httpPart, schema, matches.errors ?? []) }
    }
  }
}) as unknown as ValidatorFactory // its types know only Ajv's own functions

/** Refuses a wrong query before anything of the body is judged. Routes that describe no query take none. */
export function refuseWrongParameters(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    route.schema = { querystring: Type.Object({}, { additionalProperties: false }), ...route.schema }
  })
  app.addHook('onRequest', (request, _reply, done) => {
    const { originalUrl, routeOptions } = request
    if (originalUrl.includes('%') && !isDecodable(originalUrl)) return done(notUtf8())
    if (!routeOptions.schema?.body) return done() // Fastify judges the query next
    const judge = request.getValidationFunction('querystring') as unknown as Judge
    done(judge(request.query).error)
  })
}

type Judge = (given: unknown) => { error?: Problem }

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const notUtf8 = () => new Problem('malformed-request', 'The query must be UTF-8, each % followed by two hex digits.')

const dateTime =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** RFC 3339, within the years that Postgres and JavaScript both have. */
export function isDateTime(text: string): boolean {
  const [year = 0, month = 0, day = 0] = dateTime.exec(text)?.slice(1, 4).map(Number) ?? []
  const date = new Date(Date.UTC(year, month - 1, day))
  return year >= 1000 && year <= 9998 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

/** The same instant with the offset Z, as Postgres takes it: no offset of 16 hours or more, and cut to microseconds. */
export function inUtc(dateTime: string): string {
  const [fraction = ''] = /\.\d+/.exec(dateTime) ?? []
  const seconds = new Date(dateTime.replace(fraction, '').toUpperCase()).toISOString()
  return `${seconds.slice(0, 19)}${fraction.slice(0, 7)}Z`
}

const integersOf = ({ properties }: TObject): string[] =>
  Object.keys(properties).filter((name) => (properties[name] as { type?: string }).type === 'integer')

/** Texts of these names that spell a whole number plainly become one: `5`, but not `5.0`, `1e3`, `0x10`. */
function withNumbers(texts: Record<string, unknown>, names: string[]): Record<string, unknown> {
  const spelled = names.filter((name) => /^-?(0|[1-9]\d{0,14})$/.test(String(texts[name])))
  if (spelled.length === 0) return texts
  return { ...texts, ...Object.fromEntries(spelled.map((name) => [name, Number(texts[name])])) }
}

/** What is told of a request that is wrong all over. */
const mostItems = 1000
const mostSentences = 10

function refusal(httpPart: string | undefined, schema: TObject, errors: ErrorObject[]): Problem {
  if (httpPart === 'params' && !('x-names-new' in schema))
    return new Problem('not-found', 'There is nothing at this path.')
  const inBody = httpPart === 'body'
  const place = inBody ? 'pointer' : 'parameter'
  const items = errors.slice(0, mostItems).map((error) => {
    const pointer = error.instancePath + memberOf(error)
    return {
      [place]: inBody ? pointer : pointer.slice(1).replaceAll('~1', '/').replaceAll('~0', '~'),
      code: error.keyword === 'additionalProperties' ? 'unknown' : error.keyword,
      detail: !inBody && Array.isArray(error.data) ? 'must not be repeated.' : sentence(error),
    }
  })
  const sentences = items.slice(0, mostSentences).map((item) => `${item[place] || 'The body'} ${item.detail}`)
  if (errors.length > mostSentences) sentences.push(`And ${errors.length - mostSentences} more.`)
  const detail = sentences.join(' ')
  const code = inBody ? 'invalid-body' : httpPart === 'params' ? 'invalid-path' : 'invalid-parameter'
  return new Problem(code, detail, { errors: items })
}

/** The member that an object lacks or must not have, as a JSON Pointer's last step. */
function memberOf({ keyword, params }: ErrorObject): string {
  if (keyword === 'required') return `/${params.missingProperty}`
  if (keyword === 'discriminator') return `/${params.tag}`
  if (keyword === 'additionalProperties')
    return `/${params.additionalProperty.replaceAll('~', '~0').replaceAll('/', '~1')}`
  return ''
}

/** What would be right, in the words of the schema's own description where it has one. */
function sentence({ keyword, params, parentSchema, message }: ErrorObject): string {
  if (keyword === 'required') return 'is missing.'
  if (keyword === 'additionalProperties')
    return `is not known; known are ${Object.keys(parentSchema?.properties ?? {}).join(', ') || 'none'}.`
  const { type, minimum, maximum, description } = parentSchema ?? {}
  if (type === 'integer' && maximum !== undefined) return `must be a whole number from ${minimum} to ${maximum}.`
  if (description) return `is wrong. ${description}`
  return keyword === 'type' ? `must be of type ${params.type}.` : `${message}.`
}
