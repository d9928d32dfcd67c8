import type { ValidatorFactory } from '@fastify/ajv-compiler'
import { _, Ajv2020, type AnySchema, type ErrorObject, type KeywordCxt, Name } from 'ajv/dist/2020.js'
import type { FastifyInstance } from 'fastify'
import type { FastifyRouteSchemaDef } from 'fastify/types/schema.js'
import { type TObject, Type } from 'typebox'
import { ajvOptions } from '../contract/json-schema.ts'
import { maxErrors, Problem } from '../contract/problems.ts'
import { shortened } from './budget.ts'

/** How many errors of one request are reported in the sentence `detail`. */
const maxSentences = 10

/** A keyword for the items of a list: it ends the validation of the list once there are enough errors. */
const enough = {
  keyword: 'until-enough-errors',
  code: ({ gen }: KeywordCxt) => void gen.if(_`${new Name('errors')} >= ${maxErrors}`, () => gen.break()),
}

/** A schema with that keyword in each list. */
const endingEarly = <T>(schema: T): T =>
  JSON.parse(JSON.stringify(schema), (_name, value) =>
    value?.type === 'array' && value.items ? { ...value, items: { [enough.keyword]: true, ...value.items } } : value,
  )

/**
 * Validates requests by their schemas, without changing them, and reports everything that is wrong: parameters in a
 * 400, the body in a 422. An invalid path is a 404, or a 422 where it may create. Integers in query and path are
 * parsed first. Headers are validated where they are read (request-headers.ts), and so are bodies that can be files.
 */
export const buildValidator = ((components: Record<string, AnySchema>) => {
  const ajv = new Ajv2020(ajvOptions).addKeyword(enough).addSchema(endingEarly(Object.values(components)))
  return ({ schema, httpPart, contentType }: FastifyRouteSchemaDef<TObject> & { contentType?: string }) => {
    if (httpPart === 'headers' || contentType !== undefined) return () => true
    const matches = ajv.compile(endingEarly(schema))
    const numbers = httpPart === 'body' ? [] : integersOf(schema)
    return (given: Record<string, unknown>) => {
      const value = withNumbers(given, numbers)
      return matches(value) ? { value } : { error: invalid(httpPart, schema, matches.errors ?? []) }
    }
  }
}) as unknown as ValidatorFactory // whose types allow only Ajv's own functions

/** Rejects an invalid query before the body is read. A route that describes no query has no parameters. */
export function rejectInvalidParameters(app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    route.schema = { querystring: Type.Object({}, { additionalProperties: false }), ...route.schema }
  })
  app.addHook('onRequest', (request, _reply, done) => {
    const { originalUrl, routeOptions } = request
    if (originalUrl.includes('%') && !isDecodable(originalUrl)) return done(notUtf8())
    if (!routeOptions.schema?.body) return done() // Fastify validates the query next
    const validate = request.getValidationFunction('querystring') as unknown as Validate
    done(validate(request.query).error)
  })
}

type Validate = (given: unknown) => { error?: Problem }

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

const notUtf8 = () =>
  new Problem(
    'malformed-request',
    'The query must be percent-encoded UTF-8: each % must be followed by two hex digits.',
  )

const integersOf = ({ properties }: TObject): string[] =>
  Object.keys(properties).filter((name) => (properties[name] as { type?: string }).type === 'integer')

/** Converts these members to numbers if they are plain integers: `5`, but not `5.0`, `1e3` or `0x10`. */
function withNumbers(texts: Record<string, unknown>, names: string[]): Record<string, unknown> {
  const spelled = names.filter((name) => /^-?(0|[1-9]\d{0,14})$/.test(String(texts[name])))
  if (spelled.length === 0) return texts
  return { ...texts, ...Object.fromEntries(spelled.map((name) => [name, Number(texts[name])])) }
}

function invalid(httpPart: string | undefined, schema: TObject, errors: ErrorObject[]): Problem {
  if (httpPart === 'params' && !('x-may-create' in schema))
    return new Problem('not-found', 'There is nothing at this path.')
  const inBody = httpPart === 'body'
  const place = inBody ? 'pointer' : 'parameter'
  const items = errors.slice(0, maxErrors).map((error) => ({
    [place]: inBody ? pointerOf(error) : nameIn(pointerOf(error)),
    code: codeOf(error),
    detail: !inBody && Array.isArray(error.data) ? 'must not be repeated.' : sentence(error),
  }))
  const atLeast = errors.length >= maxErrors ? 'at least ' : ''
  const sentences = items.slice(0, maxSentences).map((item) => `${item[place] || 'The body'} ${item.detail}`)
  if (errors.length > maxSentences) sentences.push(`And ${atLeast}${errors.length - maxSentences} more.`)
  const detail = sentences.join(' ')
  const code = inBody ? 'invalid-body' : httpPart === 'params' ? 'invalid-path' : 'invalid-parameter'
  return new Problem(code, detail, { errors: items })
}

/** What is wrong with one member of an object; with the object itself if `field` is empty. */
export interface Fault {
  field: string
  code: string
  detail: string
}

/** Finds all that is wrong with an object, in the words of a 422. */
export function faultFinder(schema: TObject): (value: unknown) => Fault[] {
  const matches = new Ajv2020(ajvOptions).compile(schema)
  return (value) =>
    matches(value)
      ? []
      : (matches.errors ?? []).map((error) => ({
          field: shortened(nameIn(pointerOf(error))),
          code: codeOf(error),
          detail: sentence(error),
        }))
}

const pointerOf = (error: ErrorObject) => error.instancePath + memberOf(error)
const nameIn = (pointer: string) => pointer.slice(1).replaceAll('~1', '/').replaceAll('~0', '~')
const codeOf = ({ keyword }: ErrorObject) => (keyword === 'additionalProperties' ? 'unknown' : keyword)

/** The member that an object lacks or must not have, as a JSON Pointer's last step. */
function memberOf({ keyword, params }: ErrorObject): string {
  if (keyword === 'required') return `/${params.missingProperty}`
  if (keyword === 'discriminator') return `/${params.tag}`
  if (keyword === 'additionalProperties')
    return `/${params.additionalProperty.replaceAll('~', '~0').replaceAll('/', '~1')}`
  return ''
}

/** Describes one error, with the description of the schema where it has one. */
function sentence({ keyword, params, parentSchema, message }: ErrorObject): string {
  if (keyword === 'required') return 'is missing.'
  if (keyword === 'additionalProperties')
    return `is unknown. Known: ${Object.keys(parentSchema?.properties ?? {}).join(', ') || 'none'}.`
  const { type, minimum, maximum, description } = parentSchema ?? {}
  if (type === 'integer' && maximum !== undefined) return `must be a whole number from ${minimum} to ${maximum}.`
  if (description) return `is invalid. ${description}`
  return keyword === 'type' ? `must be of type ${params.type}.` : `${message}.`
}
