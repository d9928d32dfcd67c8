import type { Environment } from './environment.ts'
import { isLoopback, isSecure } from './host-names.ts'
import { authModes, scopes } from './settings.ts'

export type Scope = (typeof scopes)[number]

export const isScope = (text: string): text is Scope => scopes.includes(text as Scope)

/** Who may do what. */
export interface AccessSettings {
  auth: (typeof authModes)[number]
  /** What callers without credentials may do. */
  anonymous: readonly Scope[]
  /** Whose access tokens are accepted, and the audience that they must name. */
  tokens: { issuer: string; audience: string } | undefined
  /** Multiplies the usual limits of requests; infinite where there are none. */
  rateLimit: number
}

const needsKeys = ['AUTH_ANONYMOUS', 'AUTH_ISSUER', 'AUTH_AUDIENCE'] as const

/** Reads the settings of access. `host` is the address that the service listens on. */
export function accessSettings(env: Environment, host: string): AccessSettings {
  const auth = env.choice('AUTH', authModes)
  if (auth === 'open') {
    for (const name of needsKeys.filter((name) => env.given(name)))
      env.problems.push(`${name} is set, but AUTH is not keys: set AUTH=keys too, or remove ${name}.`)
    if (!isLoopback(host))
      env.warnings.push(
        `AUTH is open: everybody who reaches ${host} may read and change everything. Set AUTH=keys, or let only a gateway reach it.`,
      )
  }
  return { auth, anonymous: anonymous(env), tokens: tokens(env), rateLimit: auth === 'open' ? noLimit : rateLimit(env) }
}

function anonymous(env: Environment): Scope[] {
  const named = env.list('AUTH_ANONYMOUS')
  for (const name of named.filter((name) => !isScope(name)))
    env.problems.push(`AUTH_ANONYMOUS has "${name}": each scope must be one of ${scopes.join(', ')}.`)
  return named.filter(isScope)
}

function tokens(env: Environment): AccessSettings['tokens'] {
  const [issuer, audience] = [env.given('AUTH_ISSUER'), env.given('AUTH_AUDIENCE')]
  if (issuer !== undefined && !isIssuer(issuer))
    env.problems.push(
      `AUTH_ISSUER is "${issuer}": it must be the https URL of the issuer, exactly as its tokens name it (http only on this machine).`,
    )
  if (issuer !== undefined && audience !== undefined) return { issuer, audience }
  if (issuer !== undefined) env.problems.push('AUTH_ISSUER is set, but AUTH_AUDIENCE is not: set both, or neither.')
  if (audience !== undefined) env.problems.push('AUTH_AUDIENCE is set, but AUTH_ISSUER is not: set both, or neither.')
  return undefined
}

/** RFC 8414, 2: https, without query and fragment. */
function isIssuer(text: string): boolean {
  if (!URL.canParse(text) || /[?#\s]/.test(text)) return false
  const url = new URL(text)
  return isSecure(url) && url.username === '' && url.password === ''
}

const noLimit = Number.POSITIVE_INFINITY

function rateLimit(env: Environment): number {
  const value = env.text('RATE_LIMIT')
  if (value === 'off') return noLimit
  const factor = /^\d{1,6}(\.\d{1,3})?$/.test(value) ? Number(value) : 0
  if (factor < 0.1)
    env.problems.push(`RATE_LIMIT is "${value}": it must be a number from 0.1, such as 1 or 2.5, or off.`)
  return factor
}
