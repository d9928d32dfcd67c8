import { connect } from 'node:net'
import type { FastifyInstance, InjectOptions } from 'fastify'
import { expect } from 'vitest'
import { silent } from './api.ts'

type Method = NonNullable<InjectOptions['method']>
type Headers = Record<string, string>

/** A house as a client sends it: the central library of Victoria. */
export const library = {
  address: '735',
  street: 'Broughton Street',
  city: 'Victoria',
  postal_code: 'V8W 3H2',
  housing_type: 'COP',
}

/** Sends requests without a network; a body that is not a string is sent as JSON. */
export function client(app: FastifyInstance) {
  const send = (method: Method, url: string, body?: unknown, headers: Headers = {}) =>
    app.inject({
      method,
      url,
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  return {
    send,
    get: (url: string, headers?: Headers) => send('GET', url, undefined, headers),
    post: (url: string, body: unknown, headers?: Headers) => send('POST', url, body, headers),
    put: (url: string, body: unknown, headers?: Headers) => send('PUT', url, body, headers),
    patch: (url: string, body: unknown, headers?: Headers) => send('PATCH', url, body, headers),
    delete: (url: string, headers?: Headers) => send('DELETE', url, undefined, headers),
  }
}

/** Sends requests over the network to the API at this URL, as `client` does without one. */
export function remote(url: string) {
  const send = async (method: string, path: string, body?: unknown, headers: Headers = {}) => {
    const answer = await fetch(url + path, {
      method,
      signal: AbortSignal.timeout(60_000),
      headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) }
  }
  const create = { op: 'create', house: library }
  return {
    send,
    get: (path: string) => send('GET', path),
    list: (query = '') => send('GET', `/api/v2/housing${query}`),
    total: async (): Promise<number> => (await send('GET', '/api/v2/housing?count=exact&limit=1')).body.total,
    post: (house: object = library) => send('POST', '/api/v2/housing', house),
    patch: (change: object, id = 1) => send('PATCH', `/api/v2/housing/${id}`, change, { 'if-match': '*' }),
    /** Adds so many houses at once. */
    batch: (count: number) => send('POST', '/api/v2/housing/batch', { operations: Array(count).fill(create) }),
    ready: async () => (await send('GET', '/readyz')).status,
    alive: async () => (await send('GET', '/livez')).status,
  }
}

type Answer = Awaited<ReturnType<ReturnType<typeof client>['send']>>

/** Expects a problem document with that status and code, and with errors at exactly those places. */
export function expectProblem(answer: Answer, status: number, code: string, places: string[] = []): void {
  expect(answer.statusCode, answer.statusCode === 500 ? silent.lastFailure?.stack : answer.body).toBe(status)
  expect(answer.headers['content-type']).toBe('application/problem+json')
  const problem = answer.json()
  expect(problem).toMatchObject({ type: `/problems/${code}`, status, code, detail: expect.stringMatching(/\w.*\.$/) })
  const found = (problem.errors ?? []).map((error: Record<string, string>) => error.pointer ?? error.parameter)
  expect(found.sort(), problem.detail).toEqual(places.sort())
}

/** Writes the bytes to a socket and returns everything that comes back until the server closes it. */
export async function exchange(port: number, bytes: string | Buffer): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes)
  let answer = ''
  for await (const chunk of socket.setEncoding('latin1')) answer += chunk
  return answer
}

/** Makes the API listen, and returns its port. */
export async function listen(app: FastifyInstance): Promise<number> {
  return Number(new URL(await app.listen({ port: 0, host: '127.0.0.1' })).port)
}
