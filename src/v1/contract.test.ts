import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'

interface Example {
  name: string
  request: { method: 'GET'; path: string; headers: Record<string, string>; body?: string }
  response: {
    status: number
    headers: Record<string, string>
    body: { detail: { loc: unknown; ctx: unknown }[] } | null
  }
}

const { examples }: { examples: Example[] } = JSON.parse(
  readFileSync(new URL('../../test/fixtures/v1-examples.json', import.meta.url), 'utf8'),
)

/** Examples that the contract leaves open: they are answered differently, and tested elsewhere. */
const free = ['HEAD is not allowed', 'preflight', 'preflight of another origin']

const { app } = await startApi({ origins: ['http://localhost:5173', 'https://example.org'] })

test('the requests recorded with the predecessor get the same answers', async () => {
  for (const { name, request, response } of examples.filter(({ name }) => !free.includes(name))) {
    const { method, path: url, headers, body: payload = '' } = request
    const answer = await app.inject({ method, url, headers, payload })
    expect.soft(answer.statusCode, name).toBe(response.status)
    if (response.body) expect.soft(withoutFree(answer.json()), name).toEqual(withoutFree(response.body))
    for (const [header, value] of Object.entries(response.headers)) {
      const found = String(answer.headers[header]).replace('http://localhost:80', '').replace('GET, HEAD', 'GET')
      expect.soft(found, `${name}: ${header}`).toBe(value)
    }
  }
})

/** The contract leaves open where exactly a syntax error is, and why. */
function withoutFree(body: NonNullable<Example['response']['body']>) {
  return JSON.parse(JSON.stringify(body), (_key, value) =>
    value?.type === 'json_invalid' ? { ...value, loc: value.loc[0], ctx: {} } : value,
  )
}
