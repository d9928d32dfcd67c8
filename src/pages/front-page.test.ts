import { afterAll, expect, test } from 'vitest'
import { apiOver, noDatabase } from '../../test/support/api.ts'

const app = await apiOver(noDatabase)
afterAll(() => app.close())

const get = (url: string, accept?: string) => app.inject({ url, headers: accept === undefined ? {} : { accept } })

test.each([
  undefined,
  '*/*',
  'application/json',
  'application/*',
  'application/json, text/plain, */*',
  'application/json, text/html',
  'text/html;q=0, */*',
  'image/png',
])('GET / greets a client that accepts %s as the Python version does', async (accept) => {
  const { statusCode, headers, body } = await get('/', accept)
  expect(statusCode).toBe(200)
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'private, no-cache' })
  expect(headers.vary).toBeUndefined()
  expect(body).toBe('{"message":"Sample API"}')
})

test.each([
  'text/html',
  'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'text/html, application/json;q=0.5',
])('GET / is the page for a client that prefers HTML: %s', async (accept) => {
  const { statusCode, headers, body } = await get('/', accept)
  expect(statusCode).toBe(200)
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-cache',
    vary: expect.stringContaining('Accept'),
    'content-security-policy':
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  })
  expect(body).toMatch(/^<!doctype html>/)
})

test('the page names its files relative to where it is seen; they are kept forever, and there are no others', async () => {
  const { body } = await get('/', 'text/html')
  const files = [...body.matchAll(/(?:src|href)="(page\/[^"]+)"/g)].map(([, file]) => file)
  expect(files).toHaveLength(2)
  for (const file of files) {
    const { statusCode, headers } = await get(`/${file}`)
    expect(statusCode).toBe(200)
    expect(headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect(headers['content-type']).toMatch(/^text\/(css|javascript); charset=utf-8$/)
  }
  for (const other of ['index.html', 'main.js', '..%2fmain.js', 'page.css'])
    expect((await get(`/page/${other}`)).statusCode, other).toBeGreaterThanOrEqual(400)
})
