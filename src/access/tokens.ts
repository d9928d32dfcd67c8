import { errors, type JWTHeaderParameters, type JWTPayload, jwtVerify } from 'jose'
import { isScope, type Scope } from '../config/access-settings.ts'
import type { Caller } from '../contract/caller.ts'
import { Problem } from '../contract/problems.ts'
import { reason } from '../database/errors.ts'
import { InvalidCredentials } from './credentials.ts'
import { Issuer, type IssuerOptions } from './issuer.ts'

interface TokensOptions extends IssuerOptions {
  /** The audience that each token must name: the setting AUTH_AUDIENCE. */
  audience: string
}

/** Those with public keys. With a shared secret, an attacker could sign with the public key, which everybody knows. */
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']
/** Seconds: how much clocks may differ, and how long a token may be valid. */
const [tolerance, maxLifetime] = [30, 24 * 60 * 60]
/** How many valid tokens are remembered, and for how many milliseconds. */
const [maxRemembered, memory] = [10_000, 60_000]

/** The access tokens (RFC 9068) of an OpenID Connect issuer. */
export class Tokens {
  readonly #issuer: Issuer
  readonly #rules: { issuer: string; audience: string }
  readonly #remembered = new Map<string, { caller: Caller; until: number }>()

  constructor({ issuer, audience, log }: TokensOptions) {
    this.#issuer = new Issuer({ issuer, log })
    this.#rules = { issuer, audience }
  }

  /** Rejects with {@link InvalidCredentials}, or with a 503 while the issuer is away and the token's key is unknown. */
  async callerOf(token: string): Promise<Caller> {
    return this.#recall(token) ?? this.#verify(token)
  }

  #recall(token: string): Caller | undefined {
    const found = this.#remembered.get(token)
    return found && performance.now() < found.until ? found.caller : undefined
  }

  async #verify(token: string): Promise<Caller> {
    const options = { ...this.#rules, algorithms, requiredClaims: ['exp', 'sub'], clockTolerance: tolerance }
    const { payload, protectedHeader } = await jwtVerify(token, this.#issuer.keyFor, options).catch(notAccepted)
    const problem = problemOf(payload, protectedHeader)
    if (problem) throw new InvalidCredentials(problem)
    const caller = { name: `sub:${payload.sub}`, scopes: scopesOf(payload, this.#rules.audience) }
    return this.#recall(token) ?? this.#remember(token, caller, payload.exp as number)
  }

  #remember(token: string, caller: Caller, exp: number): Caller {
    const left = exp * 1000 - Date.now()
    this.#remembered.delete(token)
    for (const oldest of this.#remembered.keys()) {
      if (this.#remembered.size < maxRemembered) break
      this.#remembered.delete(oldest)
    }
    this.#remembered.set(token, { caller, until: performance.now() + Math.min(memory, left) })
    return caller
  }
}

/** Keeps only the message of an error of jose, which carries the claims; one kind of message even quotes the token. */
function notAccepted(error: unknown): never {
  if (error instanceof Problem) throw error
  throw new InvalidCredentials(error instanceof errors.JOSENotSupported ? 'an unknown extension' : reason(error))
}

/** What is wrong with a token whose signature, issuer, audience and times are right. */
export function problemOf(
  { sub, exp = 0, ...claims }: JWTPayload,
  { typ }: Partial<JWTHeaderParameters>,
): string | undefined {
  if (exp - Date.now() / 1000 > maxLifetime + tolerance) return 'the token is valid for more than 24 hours'
  if (typeof sub !== 'string' || !isName.test(sub)) return '"sub" is not a name of 1 to 200 visible characters'
  // RFC 8725, 3.11 and 3.12: no other kind of token of the same issuer, such as an ID token, counts as an access token.
  if (!/^(application\/)?(at\+)?jwt$/i.test(typ ?? 'JWT')) return 'the header has the "typ" of another kind of token'
  const mark = ['nonce', 'at_hash', 'c_hash'].find((name) => name in claims)
  if (mark) return `an ID token: it has "${mark}"`
  // Keycloak's tokens name their kind in a claim.
  if (/^(ID|Refresh|Offline|Logout)$/i.test(String(claims.typ))) return 'the claim "typ" is of another kind of token'
  return undefined
}

/** Without control and formatting characters, line separators, and halves of surrogate pairs. */
const isName = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]{1,200}$/u

/** The scopes that a token grants: the first of its claims that names one of ours says them all. */
export function scopesOf({ scope, scp, resource_access }: JWTPayload, audience: string): ReadonlySet<Scope> {
  const { roles } = (resource_access as Record<string, { roles?: unknown } | null> | null)?.[audience] ?? {} // Keycloak's
  const granted = [scope, scp, roles].map((claim) => wordsOf(claim).filter(isScope))
  return new Set(granted.find((scopes) => scopes.length > 0))
}

function wordsOf(claim: unknown): string[] {
  if (typeof claim === 'string') return claim.split(' ')
  return Array.isArray(claim) ? claim.filter((word) => typeof word === 'string') : []
}
