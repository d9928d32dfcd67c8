import type { FastifyReply, FastifyRequest } from 'fastify'
import { asProblem, fail } from '../contract/problems.ts'

/** The rendering of a failure in version 1, and wherever version 2 is not: one sentence, or a list of all that is wrong with the input. */
export function sendDetail(error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const problem = asProblem(error, request)
  return fail(problem, reply)
    .type('application/json')
    .serializer(toJson)
    .send({ detail: problem.with.errors ?? problem.message })
}

/** The input is echoed, except where it nests deeper than can be written. */
function toJson(answer: unknown): string {
  try {
    return exact(JSON.stringify(answer))
  } catch {
    return exact(JSON.stringify(answer, (name, value) => (name === 'input' ? null : value)))
  }
}

/** With the greatest integer of Postgres, which JavaScript's numbers miss by a little, as it is. */
const exact = (json: string) => json.replaceAll('"ctx":{"le":9223372036854776000}', '"ctx":{"le":9223372036854775807}')
