import { afterAll, expect, test } from 'vitest'
import { apiOver, noDatabase } from '../../test/support/api.ts'
import { exchange, listen } from '../../test/support/http.ts'

const app = await apiOver(noDatabase)
const port = await listen(app)
afterAll(() => app.close())

test('the page has the groups and the commands of the API where its client sees it; the contract is as it was', async () => {
  const { tags, paths, components } = (
    await app.inject({ url: '/docs/json', headers: { host: 'homes.example' } })
  ).json()
  expect(tags.map(({ name }: { name: string }) => name)).toEqual(['Housing', 'Housing types', 'Version 1', 'Service'])
  expect(paths['/api/v2/housing/{id}'].patch.description).toContain(`
curl -i -X PATCH 'http://homes.example/api/v2/housing/1' \\
  -H 'If-Match: *' \\
  -H 'Content-Type: application/merge-patch+json' \\
  --data-binary '{"housing_type":"MFD"}'
`)
  expect(components.securitySchemes).toBeUndefined()
  const contract = (await app.inject('/openapi.json')).json()
  expect(contract.paths['/api/v1/housing/'].post).toMatchObject({
    tags: ['Housing'],
    security: [{}, { bearer: ['housing:write'] }],
  })
  expect(JSON.stringify(contract)).not.toContain('curl')
})

test('where callers need a key, the commands have a place for it', async () => {
  const access = { auth: 'keys', anonymous: ['housing:read'], tokens: undefined, rateLimit: 100 } as const
  const guarded = await apiOver(noDatabase, { access })
  const { paths, components } = (await guarded.inject('/docs/json')).json()
  expect(paths['/api/v2/housing'].post.description).toContain(' -H "Authorization: Bearer $API_KEY" ')
  expect(paths['/api/v2/housing'].get.description).not.toContain('$API_KEY')
  expect(components.securitySchemes).toHaveProperty('bearer')
  await guarded.close()
})

test('the icon and the style of the pages are there for everybody', async () => {
  for (const [path, type] of [
    ['/favicon.svg', 'image/svg+xml'],
    ['/favicon.ico', 'image/svg+xml'],
    ['/pages.css', 'text/css; charset=utf-8'],
  ] as const) {
    const { statusCode, headers } = await app.inject(path)
    expect([statusCode, headers['content-type']]).toEqual([200, type])
  }
})

/** The status of a path, spelled exactly so. */
async function statusOf(path: string): Promise<number> {
  const answer = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
  return Number(answer.split(' ', 2)[1])
}

test('the files of the documentation have one spelling each', async () => {
  expect(await statusOf('/docs/static/swagger-ui.css')).toBe(200)
  for (const path of [
    '/docs/static/x/../index.html',
    '/docs/static/./index.html',
    '/docs/static//index.html',
    '/docs//static/index.html',
    '/docs/static/%2e/index.html',
    '/docs/static/x/%2e%2e/index.html',
    '/docs/static/x%2f..%2findex.html',
    '/docs/static/..%5cindex.html',
    '/docs/static/../../package.json',
    '/docs/static/..%2f..%2fpackage.json',
  ])
    expect(await statusOf(path), path).toBeGreaterThanOrEqual(400)
})
