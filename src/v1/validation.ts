import { maxInt4 } from '../contract/json-schema.ts'
import { V1InvalidInput, type V1Item } from './failures.ts'

type Check = (loc: V1Item['loc'], input: unknown) => V1Item | undefined

const maxInt8 = 9223372036854775807n
const plainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Rejects NUL in a path, which Postgres cannot store. */
export const checkPath = (params: Record<string, string>): void => reject(nulsIn(params))

/**
 * Reads `skip` and `limit`, lax in their spelling; of a repeated parameter the last one counts. Reports what is wrong
 * with the path as well.
 */
export function readPaging(
  query: Record<string, string | string[]>,
  params: Record<string, string> = {},
): { offset: number; limit: number } {
  const skip = lastOf(query.skip)
  const limit = lastOf(query.limit)
  reject([...nulsIn(params), inQuery('skip', skip), inQuery('limit', limit)])
  return { offset: toRows(skip) ?? 0, limit: Math.min(toRows(limit) ?? 100, maxRows) }
}

/** The most rows of one answer; a greater limit is not an error. */
const maxRows = 10_000

/** A number of rows: what goes beyond the largest safe integer is more than any table has. */
const toRows = (text: string | undefined) =>
  text === undefined ? undefined : Math.min(Number(toBigInt(text)), Number.MAX_SAFE_INTEGER)

const lastOf = (texts: string | string[] | undefined) => (Array.isArray(texts) ? texts.at(-1) : texts)
const inQuery = (name: string, text: string | undefined) =>
  text === undefined ? undefined : integerBetween(0n, maxInt8)(['query', name], text)

/** A house as version 1 accepts it. */
export interface V1House {
  address: string
  street: string
  city: string
  postal_code: string
  housing_type_id: number
}

/** Checks all five fields, in the order in which their errors are reported. */
export function readHouse(body: unknown): V1House {
  if (body === undefined || body === null)
    throw new V1InvalidInput([{ type: 'missing', loc: ['body'], msg: 'Field required', input: null }])
  if (!plainObject(body)) throw notAnObject(body)
  reject(
    Object.entries(fields).map(([name, check]) =>
      Object.hasOwn(body, name)
        ? check(['body', name], body[name])
        : { type: 'missing', loc: ['body', name], msg: 'Field required', input: body },
    ),
  )
  const { address, street, city, postal_code, housing_type_id } = body as Record<keyof V1House, string>
  const code = postal_code.toUpperCase()
  return { address, street, city, postal_code: code, housing_type_id: Number(toBigInt(housing_type_id)) }
}

export const notAnObject = (input: unknown) =>
  new V1InvalidInput([
    {
      type: 'model_attributes_type',
      loc: ['body'],
      msg: 'Input should be a valid dictionary or object to extract fields from',
      input,
    },
  ])

const string: Check = (loc, input) => {
  if (typeof input !== 'string') return { type: 'string_type', loc, msg: 'Input should be a valid string', input }
  if (input.isWellFormed()) return undefined
  const msg = 'Input should be a valid string, unable to parse raw data as a unicode string'
  return { type: 'string_unicode', loc, msg, input }
}

const withoutNul: Check = (loc, input) =>
  (input as string).includes('\0')
    ? { type: 'value_error', loc, msg: 'Value error, must not contain NUL', input, ctx: { error: {} } }
    : undefined

const nulsIn = (params: Record<string, string>) =>
  Object.entries(params).map(([name, text]) => withoutNul(['path', name], text))

const atMost50: Check = (loc, input) =>
  // Postgres counts code points, and cuts off blanks beyond the fiftieth itself.
  /^.{0,50} *$/su.test(input as string)
    ? undefined
    : { type: 'string_too_long', loc, msg: 'String should have at most 50 characters', input, ctx: { max_length: 50 } }

const postalCode: Check = (loc, input) =>
  /^[A-Z]\d[A-Z] \d[A-Z]\d$/i.test(input as string)
    ? undefined
    : { type: 'value_error', loc, msg: 'Value error, Invalid postal code format', input, ctx: { error: {} } }

const integerBetween =
  (least: bigint, most: bigint): Check =>
  (loc, input) => {
    const item = (type: string, msg: string, ctx?: object): V1Item => ({ type, loc, msg, input, ...(ctx && { ctx }) })
    const should = 'Input should be a valid integer'
    if (!['string', 'number', 'boolean'].includes(typeof input)) return item('int_type', should)
    if (input === Infinity || input === -Infinity) return item('finite_number', 'Input should be a finite number')
    if (typeof input === 'number' && !Number.isInteger(input))
      return item('int_from_float', `${should}, got a number with a fractional part`)
    if (typeof input === 'number' && Math.abs(input) >= 2 ** 63)
      return item('int_parsing_size', 'Unable to parse input string as an integer, exceeded maximum size')
    const value = toBigInt(input)
    if (value === undefined) return item('int_parsing', `${should}, unable to parse string as an integer`)
    if (value < least)
      return item('greater_than_equal', `Input should be greater than or equal to ${least}`, { ge: Number(least) })
    if (value > most)
      return item('less_than_equal', `Input should be less than or equal to ${most}`, { le: Number(most) })
    return undefined
  }

/** The first objection of several. */
const all =
  (...checks: Check[]): Check =>
  (loc, input) => {
    for (const check of checks) {
      const item = check(loc, input)
      if (item) return item
    }
    return undefined
  }

const line = all(string, withoutNul, atMost50)
const fields: Record<keyof V1House, Check> = {
  address: line,
  street: line,
  city: line,
  postal_code: all(string, postalCode),
  housing_type_id: integerBetween(-BigInt(maxInt4) - 1n, BigInt(maxInt4)),
}

function reject(items: (V1Item | undefined)[]): void {
  const wrong = items.filter((item) => item !== undefined)
  if (wrong.length > 0) throw new V1InvalidInput(wrong)
}

/** A whole number in any of the spellings that Python accepts, such as ` +02 `, `2.0`, `1_000`; else undefined. */
function toBigInt(input: unknown): bigint | undefined {
  if (input === undefined) return undefined
  if (typeof input !== 'string') return BigInt(input as number | boolean)
  const [, sign, digits] = /^ *([+-]?)([0-9]+(?:_[0-9]+)*)(?:\.0+)? *$/.exec(input) ?? []
  return digits === undefined ? undefined : BigInt(`${digits.replaceAll('_', '')}`) * (sign === '-' ? -1n : 1n)
}
