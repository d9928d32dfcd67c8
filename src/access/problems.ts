import type { Scope } from '../config/access-settings.ts'
import { Problem } from '../contract/problems.ts'

/** What is answered, and the parameters of `WWW-Authenticate` (RFC 6750, 3) besides the realm. */
const denials = {
  unauthenticated: (scope: Scope) => ({
    detail: `This needs an API key or a token with the scope ${scope}. Send it as \`Authorization: Bearer …\`.`,
    parameters: {},
  }),
  // One text for all reasons: why the credentials are not valid is for the log only.
  'invalid-token': () => ({
    detail: 'The API key or token is not valid. Use another one, or ask the operator for one.',
    parameters: { error: 'invalid_token' },
  }),
  'insufficient-scope': (scope: Scope) => ({
    detail: `This needs the scope ${scope}, which the API key or token does not have. Ask the operator for one that has it.`,
    parameters: { error: 'insufficient_scope', scope },
  }),
}

export type Denial = keyof typeof denials

/** A request that may not do what needs this scope. `more` is added to the parameters of `WWW-Authenticate`. */
export function accessProblem(code: Denial, scope: Scope, more: Record<string, string>): Problem {
  const { detail, parameters } = denials[code](scope)
  const challenge = Object.entries({ realm: 'sample-api', ...parameters, ...more })
    .map(([name, value]) => `${name}="${value}"`)
    .join(', ')
  return new Problem(code, detail, { headers: { 'www-authenticate': `Bearer ${challenge}` } })
}
