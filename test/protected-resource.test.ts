import { afterAll, expect, test } from 'vitest'
import { protectedResource } from '../src/access/protected-resource.ts'
import { createApp } from '../src/http/app.ts'
import { noDatabase, optionsFor } from './support/api.ts'
import { client, exchange, listen } from './support/http.ts'

const app = createApp({ ...optionsFor(noDatabase), trustProxy: ['127.0.0.1'] })
await app.register(protectedResource, { issuer: 'https://id.example.org/realms/homes' })
const api = client(app)
const path = '/.well-known/oauth-protected-resource'
afterAll(() => app.close())

test('clients learn which issuer to ask, and for which scopes', async () => {
  const answer = await api.get(path, { host: 'api.example.org' })
  expect(answer.json()).toEqual({
    resource: 'https://api.example.org',
    authorization_servers: ['https://id.example.org/realms/homes'],
    scopes_supported: ['housing:read', 'housing:write', 'housing:admin'],
    bearer_methods_supported: ['header'],
    resource_documentation: 'https://api.example.org/docs',
  })
  expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'max-age=3600' })
})

test.each([
  [{ host: 'localhost:3000' }, 'https://localhost:3000'],
  [{ host: '[::1]:3000', 'x-forwarded-proto': 'http' }, 'http://[::1]:3000'],
  [{ host: 'inner', 'x-forwarded-host': 'a.org', 'x-forwarded-prefix': '/registry' }, 'https://a.org/registry'],
])('the resource is named as clients see it: %j', async (headers, resource) => {
  expect((await api.get(path, headers)).json()).toMatchObject({
    resource,
    resource_documentation: `${resource}/docs`,
  })
})

test('a request that does not say which host it means cannot learn it', async () => {
  const answer = await exchange(await listen(app), `GET ${path} HTTP/1.0\r\n\r\n`)
  expect(answer).toMatch(/^HTTP\/1\.1 400 /)
  expect(answer).toContain('must have the header Host')
})
