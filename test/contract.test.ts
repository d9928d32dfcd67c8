import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { version } from '../src/version.ts'
import { apiOver, noDatabase } from './support/api.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const app = await apiOver(noDatabase, { version })

test('openapi.json is the contract that is served (npm run openapi updates it)', async () => {
  const { body } = await app.inject('/openapi.json')
  await expect(`${JSON.stringify(JSON.parse(body), null, 2)}\n`).toMatchFileSnapshot('../openapi.json')
})

test('the contract passes the linter', async () => {
  const lint = promisify(execFile)('node_modules/.bin/redocly', ['lint', '--format=json', 'openapi.json'], {
    cwd: root,
  })
  const { stdout } = await lint.catch((error) => error)
  expect(JSON.parse(stdout)).toMatchObject({ totals: { errors: 0, warnings: 0 }, problems: [] })
})

test('each operation has a unique id, a summary, a tag and an example', async () => {
  const paths = app.swagger().paths as unknown as Record<string, Record<string, Operation>>
  const operations = Object.values(paths).flatMap((path) => Object.values(path))
  const ids = operations.map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
  for (const { operationId, summary, tags, responses } of operations.filter(isVersion2)) {
    expect(summary, operationId).toMatch(/^[A-Z]/)
    expect(tags, operationId).toHaveLength(1)
    const [best] = Object.entries(responses).filter(([status]) => status.startsWith('2'))
    const media = best?.[1].content?.['application/json']
    expect(best?.[0] === '204' || media?.example, operationId).toBeTruthy()
  }
})

interface Operation {
  operationId: string
  summary: string
  tags: string[]
  responses: Record<string, { content?: Record<string, { example?: unknown }> }>
}
const isVersion2 = ({ operationId }: Operation) => !operationId.includes('__')
