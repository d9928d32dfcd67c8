import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey, type LocalJWKSet } from 'jose'
import { isSecure } from '../config/host-names.ts'
import { Problem } from '../contract/problems.ts'
import { reason } from '../database/errors.ts'

export interface IssuerOptions {
  /** Its identifier, exactly as its tokens spell it: the setting AUTH_ISSUER. */
  issuer: string
  /** Receives a line when the issuer fails, and one when it answers again. */
  log: Record<'info' | 'warn', (line: string) => void>
}

const second = 1000
/** How long one fetch of the keys may take, with the discovery. */
const deadline = 2 * second
/** How long a failure counts, so that a flood of tokens is not a flood of fetches. */
const pause = second
/** How long new keys count as complete: until then, a token with another key is invalid. */
const cooldown = 5 * second
const refreshAfter = 600 * second
const maxBytes = 1024 * 1024

/**
 * The public keys of an OpenID Connect issuer, fetched at the first token. They serve while the issuer is away, however
 * old they are, and are refreshed in the background. (jose's own `createRemoteJWKSet` rejects every token once its keys
 * are old and the issuer is away, and has no pause after a failure.)
 */
export class Issuer {
  readonly #issuer: string
  readonly #log: IssuerOptions['log']
  #known: { keys: LocalJWKSet; at: number } | undefined
  #address: URL | undefined
  #fetching: Promise<LocalJWKSet> | undefined
  #pausedUntil = 0
  #trouble: string | undefined

  constructor({ issuer, log }: IssuerOptions) {
    this.#issuer = issuer
    this.#log = log
  }

  /** The key that signed a token. Rejects with an error of jose if there is none, and with a 503 if that is unknown. */
  readonly keyFor: JWTVerifyGetKey = async (header, token) => {
    const known = this.#known
    if (!known) return (await this.#refresh())(header, token)
    const age = performance.now() - known.at
    if (age > refreshAfter) this.#refresh().catch(() => {}) // the known keys go on serving
    try {
      return await known.keys(header, token)
    } catch (error) {
      if (error instanceof errors.JWKSMultipleMatchingKeys || age < cooldown) throw error
      return (await this.#refresh())(header, token)
    }
  }

  /** Fetches the keys, once for all who wait for them. */
  #refresh(): Promise<LocalJWKSet> {
    if (performance.now() < this.#pausedUntil) return Promise.reject(unavailable())
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = undefined
    })
    return this.#fetching
  }

  async #fetch(): Promise<LocalJWKSet> {
    try {
      const keys = await this.#read(AbortSignal.timeout(deadline))
      this.#known = { keys, at: performance.now() }
      if (this.#trouble) this.#log.info('The issuer of AUTH_ISSUER answers again')
      this.#trouble = undefined
      return keys
    } catch (error) {
      this.#pausedUntil = performance.now() + pause
      this.#report(error)
      throw unavailable()
    }
  }

  async #read(signal: AbortSignal): Promise<LocalJWKSet> {
    const remembered = this.#address
    this.#address ??= await addressOfKeys(this.#issuer, signal)
    try {
      return keySet(await readJson(this.#address, signal))
    } catch (error) {
      if (remembered) this.#address = undefined // the keys may have moved
      throw error
    }
  }

  /** Logs each kind of failure once, until the issuer answers again: it is away, or one thing is wrong with it. */
  #report(error: unknown): void {
    const [kind, what] =
      error instanceof WrongAnswer
        ? [error.message, error.message]
        : ['away', `it cannot be reached: ${whyAway(error as Error)}`]
    if (kind === this.#trouble) return
    this.#trouble = kind
    const effect = this.#known ? 'The keys that are known go on serving' : 'Until it answers, tokens get a 503'
    this.#log.warn(`The issuer of AUTH_ISSUER (${this.#issuer}) fails: ${what}. ${effect}`)
  }
}

/** The issuer answers, but not as an issuer must. */
class WrongAnswer extends Error {}

const unavailable = () =>
  new Problem('unavailable', 'The issuer of tokens cannot be reached at the moment. Try again.', {
    headers: { 'retry-after': '1' },
  })

const whyAway = (error: Error) =>
  error.name === 'TimeoutError' ? `no answer within ${deadline / second} s` : reason(error.cause ?? error)

/** Asks an issuer where its keys are (OpenID Connect Discovery 1.0, 4). */
async function addressOfKeys(issuer: string, signal: AbortSignal): Promise<URL> {
  const at = new URL(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  const document = (await readJson(at, signal)) as { issuer?: unknown; jwks_uri?: unknown } | null
  if (document?.issuer !== issuer) throw new WrongAnswer(`${at} is for the issuer ${quoted(document?.issuer)}`)
  const address = String(document.jwks_uri)
  if (!URL.canParse(address) || !isSecure(new URL(address)))
    throw new WrongAnswer(`${at} has the jwks_uri ${quoted(document.jwks_uri)}, not https`)
  return new URL(address)
}

const quoted = (value: unknown) => String(JSON.stringify(value)).slice(0, 200)

function keySet(document: unknown): LocalJWKSet {
  try {
    return createLocalJWKSet(document as JSONWebKeySet)
  } catch {
    throw new WrongAnswer('its jwks_uri has no JSON Web Key Set')
  }
}

/** Reads a JSON document of at most 1 MiB, and follows no redirect. */
async function readJson(address: URL, signal: AbortSignal): Promise<unknown> {
  const { status, body } = await fetch(address, { redirect: 'manual', signal, headers: { accept: 'application/json' } })
  if (status !== 200 || !body) {
    await body?.cancel()
    throw new (status < 500 ? WrongAnswer : Error)(`${address} answers ${status}`)
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > maxBytes) throw new WrongAnswer(`${address} answers more than 1 MiB`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw new WrongAnswer(`${address} does not answer JSON`)
  }
}
