import { afterAll, expect, test } from 'vitest'
import { apiOver, noDatabase } from '../../test/support/api.ts'
import { exchange, listen } from '../../test/support/http.ts'

const app = await apiOver(noDatabase)
const port = await listen(app)
afterAll(() => app.close())

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
