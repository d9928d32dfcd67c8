import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Ajv2020 } from 'ajv/dist/2020.js'
import openapiTS, { astToString, type OpenAPI3 } from 'openapi-typescript'
import { expect, test } from 'vitest'
import { ajvOptions } from '../src/contract/json-schema.ts'
import { version } from '../src/version.ts'
import { apiOver, noDatabase } from './support/api.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const app = await apiOver(noDatabase, { version })

test('openapi.json is the contract that is served (npm run openapi updates it)', async () => {
  const { body } = await app.inject('/openapi.json')
  await expect(`${JSON.stringify(JSON.parse(body), null, 2)}\n`).toMatchFileSnapshot('../openapi.json')
})

test('the types of the client are those of the contract (npm run openapi updates them)', async () => {
  const types = astToString(await openapiTS(contractOfClient()))
  const codes = [...app.declared.kinds.keys()].map((code) => `\n    | "${code}"`)
  const text = `${types}/** The codes of all problems. */\nexport type ContractCode =${codes.join('')};\n`
  await expect(text).toMatchFileSnapshot('../client/src/contract.ts')
})

test('the contract passes the linter', async () => {
  const lint = promisify(execFile)('node_modules/.bin/redocly', ['lint', '--format=json', 'openapi.json'], {
    cwd: root,
  })
  const { stdout } = await lint.catch((error) => error)
  expect(JSON.parse(stdout)).toMatchObject({ totals: { errors: 0, warnings: 0 }, problems: [] })
})

const contract = app.swagger() as unknown as Contract
const operations = Object.entries(contract.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ where: `${method} ${path}`, path, ...operation })),
)
const schemas = contract.components.schemas
const schemaOf = ({ $ref = '' }: Schema) => schemas[$ref.replace('#/components/schemas/', '')]

test('each operation has a unique id, a summary, a description, one declared tag, an example, and a 500', () => {
  const ids = operations.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  const tags = contract.tags.map(({ name }) => name)
  for (const { operationId, path, summary, description, tags: used, responses } of operations) {
    expect(summary, operationId).toMatch(/^[A-Z]/)
    expect(description, operationId).toMatch(/^[A-Z].*\.$/)
    if (operationId !== 'root__get')
      expect(
        tags.filter((tag) => used.includes(tag)),
        operationId,
      ).toEqual(used)
    expect(responses[500]?.content, operationId).toBeTruthy()
    const [best] = Object.entries(responses).filter(([status]) => status.startsWith('2'))
    if (!path.startsWith('/api/v2/') || best?.[0] === '204') continue
    const media = Object.values(best?.[1].content ?? {})
    expect(media.length > 0 && media.every(({ example }) => example), operationId).toBe(true)
  }
})

test('each tag is for one thing, whatever the case of its letters', () => {
  const tags = contract.tags.map(({ name }) => name)
  expect(new Set(tags.map((tag) => tag.toLowerCase().replaceAll(' ', ''))).size).toBe(tags.length)
  const untagged = operations.filter(({ tags: used = [] }) => used.length !== 1)
  expect(untagged.map(({ path }) => path)).toEqual(['/']) // as in version 1
})

test('the plain list and adding to it come first', () => {
  expect(operations.slice(0, 2).map(({ operationId }) => operationId)).toEqual(['listHousing', 'createHousing'])
  expect(operations[0]?.description).toContain('`fields`') // which is no parameter there: its answers are no pages
})

test('each schema has a form that generators of clients can name and type', () => {
  for (const { where, schema } of everySchema()) {
    if (schema.enum) expect(schema.type, where).toBe('string')
    expect(schema.type === 'null' || schema.anyOf?.some(({ type }) => type === 'null'), where).toBeFalsy()
    if (schema.type === 'integer') expect(schema.format, where).toMatch(/^int(32|64)$/)
    if (schema.type === 'array') expect(schema.maxItems, where).toBeGreaterThan(0)
    if (schema.oneOf) expect(schema.discriminator, where).toBeTruthy()
    if (schema.discriminator) {
      const { propertyName, mapping } = schema.discriminator
      const values = schema.oneOf?.map((branch) => [
        schemaOf(branch)?.properties?.[propertyName]?.enum?.[0],
        branch.$ref,
      ])
      expect(Object.entries(mapping ?? {}), where).toEqual(values)
    }
  }
  for (const name of Object.keys(schemas))
    expect(schemas, 'Go names the constructor of X so').not.toHaveProperty(`New${name}`)
})

test('an answer that is a file begins with bytes, which every generated client can read', () => {
  const answers = operations.flatMap(({ where, responses }) =>
    Object.entries(responses).map(([status, { content = {} }]) => ({ where: `${where}: ${status}`, content })),
  )
  const files = answers.filter(({ content }) => content['text/csv'] && !Object.keys(content).some(isJson))
  expect(files.map(({ where }) => where)).toEqual(['get /api/v2/housing/export: 200'])
  for (const { where, content } of files) expect(Object.values(content)[0]?.schema.format, where).toBe('binary')
})

test('the items of a page have the same name as the shape of a single one', () => {
  const pages = Object.entries(schemas).filter(([, { properties }]) => properties?.items && properties.next)
  expect(pages.map(([name]) => name)).toEqual([
    'HousingPage',
    'HousingVersionPage',
    'HousingChangePage',
    'HousingTypeList',
  ])
  for (const [name, { properties }] of pages) {
    expect(schemaOf(properties?.items?.items ?? {}), name).toBeTruthy()
    expect(properties?.next?.type, name).toEqual(name === 'HousingChangePage' ? 'integer' : ['string', 'null'])
  }
  expect(schemas.HousingPage?.properties?.items?.items).toEqual({ $ref: '#/components/schemas/Housing' })
  expect(schemas.HousingVersion?.properties?.house).toEqual({ $ref: '#/components/schemas/Housing' })
})

test('an operation can be tried as it is filled in: with what it needs, and with nothing else', () => {
  for (const { where, parameters = [], responses } of operations)
    for (const { name, required, example, examples, schema } of parameters) {
      const filled = example !== undefined || examples !== undefined || schema.examples !== undefined
      const isNeeded = required || (name === 'If-Match' && '428' in responses)
      expect(filled, `${where}: ${name}`).toBe(Boolean(isNeeded))
    }
})

test('each body has an example that is valid, for each of its media types', () => {
  const ajv = new Ajv2020({ ...ajvOptions, discriminator: false, strict: false }).addSchema(contract, 'contract')
  for (const { where, requestBody } of operations)
    for (const { schema, example } of Object.values(requestBody?.content ?? {})) {
      const matches = schema.$ref ? ajv.getSchema(`contract${schema.$ref}`) : ajv.compile(schema)
      expect(example !== undefined && matches?.(example), `${where}: ${JSON.stringify(matches?.errors)}`).toBe(true)
    }
})

test('a link leads to an operation, and to parameters that it has', () => {
  const links = operations.flatMap(({ responses }) =>
    Object.values(responses).flatMap(({ links = {} }) => Object.entries(links)),
  )
  expect(links.map(([name]) => name)).toEqual(expect.arrayContaining(['getHousing', 'patchHousing', 'deleteHousing']))
  for (const [name, { operationId, parameters }] of links) {
    const target = operations.find((operation) => operation.operationId === operationId)
    expect(
      target?.parameters?.map((parameter) => parameter.name),
      name,
    ).toEqual(expect.arrayContaining(Object.keys(parameters)))
  }
})

test('Retry-After is declared where it is sent: with a 429 or 503, and where a request with the same key is in progress', () => {
  for (const { where, path, parameters = [], responses } of operations)
    for (const [status, { headers = {} }] of Object.entries(responses)) {
      if (path.startsWith('/api/v1/')) continue // its headers are not described
      const hasKey = parameters.some(({ name }) => name === 'Idempotency-Key')
      expect('Retry-After' in headers, `${where}: ${status}`).toBe(
        /429|503/.test(status) || (status === '409' && hasKey),
      )
    }
})

/** Version 2 with its successful answers: all others are problems. */
function contractOfClient(): OpenAPI3 {
  const { paths, components, ...rest } = structuredClone(app.swagger()) as OpenAPI3
  const wanted = Object.entries(paths ?? {}).filter(([path]) => path.startsWith('/api/v2/'))
  for (const [, methods] of wanted)
    for (const { responses } of Object.values(methods) as Operation[])
      for (const status of Object.keys(responses)) if (status >= '400') delete responses[status]
  const schemas = Object.entries(components?.schemas ?? {}).filter(([name]) => !name.startsWith('V1'))
  return { ...rest, paths: Object.fromEntries(wanted), components: { schemas: Object.fromEntries(schemas) } }
}

const isJson = (type: string) => /[/+]json$/.test(type)

interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  enum?: unknown[]
  examples?: unknown[]
  maxItems?: number
  items?: Schema
  properties?: Record<string, Schema>
  anyOf?: Schema[]
  oneOf?: Schema[]
  discriminator?: { propertyName: string; mapping?: Record<string, string> }
}
interface Media {
  content?: Record<string, { schema: Schema; example?: unknown }>
}
interface Answer extends Media {
  headers?: Record<string, { schema: Schema }>
  links?: Record<string, { operationId: string; parameters: Record<string, string> }>
}
interface Operation {
  operationId: string
  summary: string
  description: string
  tags: string[]
  parameters?: { name: string; in: string; required: boolean; schema: Schema; example?: unknown; examples?: unknown }[]
  requestBody?: Media
  responses: Record<string, Answer>
}
interface Contract {
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** All schemas of the contract, with those inside them. */
function everySchema(): { where: string; schema: Schema }[] {
  const within = (where: string, schema: Schema): { where: string; schema: Schema }[] => [
    { where, schema },
    ...[schema.items ?? [], schema.anyOf ?? [], schema.oneOf ?? []].flat().flatMap((inner) => within(where, inner)),
    ...Object.entries(schema.properties ?? {}).flatMap(([name, inner]) => within(`${where}.${name}`, inner)),
  ]
  return [
    ...Object.entries(schemas).flatMap(([name, schema]) => within(name, schema)),
    ...operations.flatMap(({ where, parameters = [], requestBody, responses }) => [
      ...parameters.flatMap(({ name, schema }) => within(`${where} ${name}`, schema)),
      ...[requestBody ?? {}, ...Object.values(responses)].flatMap(({ content = {} }: Media) =>
        Object.values(content).flatMap(({ schema }) => within(where, schema)),
      ),
      ...Object.values(responses).flatMap(({ headers = {} }) =>
        Object.entries(headers).flatMap(([name, { schema }]) => within(`${where} ${name}`, schema)),
      ),
    ]),
  ]
}
