import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { breakingChanges, type Contract } from '../scripts/contract-diff.ts'

const read = (): Contract => JSON.parse(readFileSync(new URL('../openapi.json', import.meta.url), 'utf8'))
const parameters = read().paths['/api/v2/housing']?.get?.parameters ?? []
const parameter = (name: string) => [
  'paths',
  '/api/v2/housing',
  'get',
  'parameters',
  parameters.findIndex((p) => p.name === name),
]
const schema = (name: string) => ['components', 'schemas', name]

/** The breaking changes after the value at that path is replaced or removed. */
function after(path: (string | number)[], value?: unknown): string[] {
  const now = read()
  let at = now as unknown as Record<string | number, unknown>
  for (const step of path.slice(0, -1)) at = at[step] as typeof at
  const last = path.at(-1) as string
  if (value === undefined) delete at[last]
  else at[last] = value
  return breakingChanges(read(), now)
}

test('additions break nothing', () => {
  expect(after(['paths', '/api/v2/owners'], { get: { operationId: 'listOwners', responses: {} } })).toEqual([])
  expect(after([...schema('Housing'), 'properties', 'owner'], { type: 'string' })).toEqual([])
  expect(after([...schema('HousingInput'), 'properties', 'owner'], { type: 'string' })).toEqual([])
  expect(
    after([...parameter('limit').slice(0, -1), parameters.length], { name: 'owner', in: 'query', schema: {} }),
  ).toEqual([])
})

test.each<[string, (string | number)[], unknown?]>([
  ['DELETE /api/v2/housing/{id}: is gone', ['paths', '/api/v2/housing/{id}', 'delete']],
  ['GET /api/v2/housing: the parameter q is gone', [...parameter('q'), 'name'], 'search'],
  [
    'GET /api/v2/housing: the parameter limit: maximum was 1000 and is 100',
    [...parameter('limit'), 'schema', 'maximum'],
    100,
  ],
  ['GET /api/v2/housing: the parameter city is required now', [...parameter('city'), 'required'], true],
  ['POST /api/v2/housing: the body: owner is required now', [...schema('HousingInput'), 'required', 9], 'owner'],
  ['POST /api/v2/housing: the body: city is not taken any more', [...schema('HousingInput'), 'properties', 'city']],
  ['POST /api/v2/housing: the answer 201: version is gone', [...schema('Housing'), 'properties', 'version']],
  [
    'POST /api/v2/housing: the answer 201: id: was integer and is string',
    [...schema('Housing'), 'properties', 'id', 'type'],
    'string',
  ],
  ['POST /api/v2/housing: the answer 201: id may be missing now', [...schema('Housing'), 'required'], []],
])('%s', (line, path, value) => expect(after(path, value)).toContain(line))
