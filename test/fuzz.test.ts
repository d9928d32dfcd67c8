import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { startApi } from './support/api.ts'

type Json = Record<string, unknown>
interface Schema extends Json {
  type?: string
  enum?: string[]
  const?: unknown
  oneOf?: Schema[]
  items?: Schema
  pattern?: string
  examples?: unknown[]
  properties?: Record<string, Schema>
  required?: string[]
  minimum?: number
  maximum?: number
  $ref?: string
}
interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required?: boolean
  schema: Schema
  example?: unknown
  examples?: Record<string, { value: unknown }>
}
interface Operation {
  method: string
  path: string
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, { content?: Record<string, unknown> }>
}

const contract = JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8'))
const operations: Operation[] = Object.entries<Json>(contract.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    method,
    path,
    ...(operation as Omit<Operation, 'method' | 'path'>),
  })),
)
const ajv = new Ajv2020({
  strict: false,
  formats: { 'date-time': true, 'uri-reference': true, int32: true, int64: true },
}).addSchema(contract, 'contract')

const { app, db } = await startApi()

/** Texts that have broken servers before. */
const hostile = fc.constantFrom(
  '',
  ' ',
  '0',
  '-1',
  '1e3',
  '0x10',
  '9'.repeat(90),
  'NaN',
  'null',
  'true',
  '\0',
  'a\0b',
  '\ud800',
  '\u202e',
  "'; drop table housing.housing; --",
  '%',
  '%zz',
  '%00',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  'x'.repeat(51),
  '😀'.repeat(51),
  '*',
  'W/"1-1"',
  '"1-1"',
  '2026-13-45T99:99:99Z',
  '0000-01-01T00:00:00Z',
)
const anyText = fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 60 }), fc.string({ maxLength: 60 }))
const anyValue = fc.oneof(anyText, fc.jsonValue({ maxDepth: 3 }), fc.double(), fc.maxSafeInteger())

/** Values that a schema mostly allows. */
function valid(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.$ref) return valid(contract.components.schemas[schema.$ref.split('/').at(-1) as string])
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.const) return fc.constant(schema.const)
  if (schema.oneOf) return fc.oneof(...schema.oneOf.map(valid))
  if (schema.items) return fc.array(valid(schema.items), { minLength: 1, maxLength: 3 })
  if (schema.properties) {
    const record = fc.record(map(schema.properties, valid), { requiredKeys: schema.required ?? [] })
    return schema.examples ? fc.oneof(record, fc.constantFrom(...schema.examples)) : record
  }
  if (schema.type === 'integer')
    return fc.oneof(
      { weight: 4, arbitrary: fc.integer({ min: 1, max: 3 }) },
      { weight: 1, arbitrary: fc.integer({ min: schema.minimum ?? 0, max: schema.maximum ?? 1000 }) },
    )
  if (schema.examples?.length) return fc.constantFrom(...schema.examples)
  return fc.string({ minLength: 1, maxLength: 8 })
}

/** A valid value with one member changed, removed or added; or any value at all. */
function nearly(schema: Schema): fc.Arbitrary<unknown> {
  const changed = fc
    .tuple(valid(schema), anyText, anyValue)
    .map(([value, name, other]) => (typeof value === 'object' && value !== null ? { ...value, [name]: other } : other))
  const without = fc
    .tuple(valid(schema), fc.nat(6))
    .map(([value, at]) =>
      typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).filter((_, i) => i !== at))
        : value,
    )
  return fc.oneof(changed, without, anyValue)
}

const either = (schema: Schema, sane: boolean) =>
  sane ? valid(schema) : fc.oneof({ weight: 3, arbitrary: valid(schema) }, { weight: 1, arbitrary: nearly(schema) })
const map = <T, R>(of: Record<string, T>, change: (value: T) => R) =>
  Object.fromEntries(Object.entries(of).map(([name, value]) => [name, change(value)]))

/** Values of parameters for which the contract has no example. */
const likely: Record<string, unknown[]> = {
  postal_code: ['V8V', 'v8v 1a1'],
  city: ['victoria'],
  street: ['main'],
  housing_type: ['SFD', 'SFD,MFD'],
  updated_since: ['2026-11-22T18:03:11Z'],
  as_of: ['2026-11-22T18:03:11Z'],
  q: ['main vic'],
  'If-Match': ['"1-1"', '"17-3"', '*'],
  'If-None-Match': ['"1-1"', '"17-3"', '*'],
  'Idempotency-Key': ['8e03978e-40d5-43dd-bc93-6894a57f9324'],
}

/** The schema of a parameter, with the examples that the contract lists beside it, or else likely ones. */
const schemaOf = ({ name, schema, example, examples = {} }: Parameter): Schema => {
  const all = [...(example === undefined ? [] : [example]), ...Object.values(examples).map(({ value }) => value)]
  return { ...schema, examples: all.length > 0 ? all : (likely[name] ?? []) }
}

const ndjson = 'application/x-ndjson'
const endless = 'text/event-stream'

/** Requests to an operation: valid ones if `sane`, otherwise with some mistakes. */
function requests(operation: Operation, sane: boolean) {
  const record = (place: string) => {
    const parameters = (operation.parameters ?? []).filter(
      // A valid cursor cannot be made up, and `wait` would have the test wait.
      ({ name, in: where }) => where === place && !(sane && name === 'cursor') && name !== 'wait',
    )
    const required = parameters.filter((parameter) => parameter.required).map(({ name }) => name)
    const values = Object.fromEntries(
      parameters.map((parameter) => [parameter.name, either(schemaOf(parameter), sane)]),
    )
    return fc.record(values, { requiredKeys: place === 'path' || sane ? required : [] })
  }
  const media = Object.entries(operation.requestBody?.content ?? {})
  const bodies = media.map(([type, { schema }]) =>
    fc.record({
      body: either(schema, sane),
      type: sane ? fc.constant(type) : fc.constantFrom(type, type, type, 'text/plain', undefined),
    }),
  )
  const accepted = Object.keys(operation.responses[200]?.content ?? {}).filter((type) => type !== endless)
  const sometimes = <T>(arbitrary: fc.Arbitrary<T>) => (sane ? fc.constant(null) : fc.option(arbitrary, { freq: 12 }))
  return fc.record({
    operation: fc.constant(operation),
    path: record('path'),
    query: record('query'),
    headers: record('header'),
    sent: bodies.length > 0 ? fc.oneof(...bodies) : fc.constant({ body: undefined, type: undefined }),
    accept: fc.constantFrom('*/*', ...accepted),
    extra: sometimes(fc.tuple(anyText, anyText)),
    mangle: sometimes(fc.tuple(fc.nat(100), anyText)),
  })
}

// Not `String(value)`, which throws for {"toString": ""}.
const textOf = (value: unknown) => (typeof value === 'object' ? JSON.stringify(value) : String(value))
const encode = (value: unknown) => encodeURIComponent(textOf(value).toWellFormed())
const isHeader = (value: unknown) => /^[\t\x20-\x7e\x80-\xff]*$/.test(textOf(value))

test('whatever is sent, the answer is one that the contract describes, and never a 5xx', async () => {
  await app.inject({ method: 'PUT', url: '/api/v2/housing-types/TNH', payload: { description: 'Townhouse' } })
  await sql`select setval('housing.housing_id_seq', 3)`.execute(db)
  const seen = new Map<string, number>()
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(...operations.flatMap((operation) => [requests(operation, true), requests(operation, false)])),
      async (request) => {
        const { operation, extra, mangle, accept } = request
        const { body, type } = request.sent
        await sql`insert into housing.housing (id, address, street, city, postal_code, housing_type_id)
          select id, '1', 'Main St', 'Victoria', 'V8V 1A1', 1 from generate_series(1, 3) id
          on conflict do nothing`.execute(db) // brings back what earlier requests deleted
        await sql`insert into housing.imports values ('7d0c1f4e-2b7a-4c7e-9d64-0f6f5f6b8a11', '', '{id}', now() + interval '1 hour')
          on conflict do nothing`.execute(db)
        const path = operation.path.replace(/\{(\w+)\}/g, (_, name) => encode(request.path[name]))
        const query = [...Object.entries(request.query), ...(extra ? [extra] : [])].map((pair) =>
          pair.map(encode).join('='),
        )
        const isJson = type?.endsWith('json') && type !== ndjson
        const text = body === undefined ? undefined : isJson ? JSON.stringify(body) : textOf(body)
        const payload = text && mangle ? text.slice(0, mangle[0]) + mangle[1] + text.slice(mangle[0]) : text
        const headers = Object.entries(request.headers).filter(([, value]) => isHeader(value))
        const answer = await app.inject({
          method: operation.method as 'GET',
          url: query.length > 0 ? `${path}?${query.join('&')}` : path,
          headers: {
            accept,
            ...Object.fromEntries(headers.map(([name, value]) => [name, textOf(value)])),
            ...(payload !== undefined && type && { 'content-type': type }),
          },
          ...(payload !== undefined && { payload }),
        })
        const { statusCode: status } = answer
        seen.set(`${operation.method} ${operation.path} ${status}`, 1)
        expect(status, answer.body).toBeLessThan(500)
        // An empty or odd path parameter changes the path, so that it is no longer one of this operation.
        if (Object.values(request.path).some((value) => encode(value) === '' || encode(value).startsWith('.'))) return
        expect(Object.keys(operation.responses), answer.body).toContain(String(status))
        const described = Object.keys(operation.responses[status]?.content ?? {})
        if (described.length === 0) return void expect(answer.body).toBe('')
        const [media = ''] = String(answer.headers['content-type']).split(';')
        expect(described).toContain(media)
        if (!media.endsWith('json') || media === ndjson) return
        const pointer = [
          'paths',
          operation.path,
          operation.method,
          'responses',
          String(status),
          'content',
          media,
          'schema',
        ]
        const ref = pointer
          .map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1')))
          .join('/')
        const matches = ajv.getSchema(`contract#/${ref}`)
        expect(matches?.(answer.json()), `${JSON.stringify(matches?.errors)} ${answer.body}`).toBe(true)
      },
    ),
    { numRuns: 2500, seed: 20261123 },
  )
  // Each operation has succeeded at least once.
  for (const { method, path } of operations) {
    const statuses = [...seen.keys()]
      .filter((key) => key.startsWith(`${method} ${path} `))
      .map((key) => key.split(' ')[2])
    expect(
      statuses.some((status) => status?.startsWith('2')),
      `${method} ${path}: ${statuses}`,
    ).toBe(true)
  }
}, 120_000)
