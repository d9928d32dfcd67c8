import type { FastifyReply, FastifyRequest } from 'fastify'
import { asProblem, fail, Problem } from '../contract/problems.ts'

/** One thing that is wrong with the input, in the predecessor's form and order of keys. */
export interface V1Item {
  type: string
  loc: (string | number)[]
  msg: string
  input: unknown
  ctx?: object
}

/** Input that is wrong in these places. */
export class V1InvalidInput extends Problem {
  readonly items: V1Item[]
  constructor(items: V1Item[]) {
    super('invalid-body', 'The input is wrong.')
    this.items = items
  }
}

/** Where version 1 has words of its own. */
const words: Record<string, string> = {
  'cross-site-request': 'Cross-site request refused',
  unauthenticated: 'Not authenticated',
  'invalid-token': 'Not authenticated',
  'insufficient-scope': 'Not enough permissions',
  'too-many-requests': 'Too many requests',
}

/** Answers a failure as the predecessor did: with one sentence, or a list of everything wrong with the input. */
export function sendDetail(error: unknown, request: FastifyRequest, reply: FastifyReply) {
  const problem = asProblem(error, request)
  return fail(problem, reply)
    .type('application/json')
    .serializer(toJson)
    .send({ detail: problem instanceof V1InvalidInput ? problem.items : (words[problem.kind.code] ?? problem.message) })
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
