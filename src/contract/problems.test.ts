import { expect, test } from 'vitest'
import { expectProblem } from '../../test/support/http.ts'
import { createApp } from '../http/app.ts'
import { createLog } from '../log.ts'

const app = createApp({
  log: createLog('silent'),
  hosts: '*',
  origins: [],
  trustProxy: [],
  readiness: { draining: false },
})
app.get<{ Params: { status: string } }>('/:status', async (request) => {
  throw Object.assign(new Error('What a plugin says'), { statusCode: Number(request.params.status) })
})

test.each([
  [400, 400, 'malformed-request'],
  [401, 401, 'unauthenticated'],
  [403, 403, 'forbidden'],
  [418, 400, 'malformed-request'],
  [429, 429, 'too-many-requests'],
  [500, 500, 'internal-error'],
  [503, 503, 'unavailable'],
])('an error to which a plugin gives the status %i is answered as a %i %s', async (given, status, code) => {
  const answer = await app.inject(`/${given}`)
  expectProblem(answer, status, code)
  expect(answer.json().detail === 'What a plugin says.').toBe(status !== 500)
})
