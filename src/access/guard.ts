import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { AccessSettings, Scope } from '../config/access-settings.ts'
import { type Caller, includes } from '../contract/caller.ts'
import { Problem } from '../contract/problems.ts'
import { timesSent } from '../http/request-headers.ts'
import type { Log } from '../log.ts'
import { isApiKey } from './api-key.ts'
import { InvalidCredentials } from './credentials.ts'
import { limiter } from './fairness.ts'
import { accessProblem, type Denial } from './problems.ts'
import { metadataUrl } from './protected-resource.ts'

/** Finds the caller of credentials, at once if it is known. Fails with {@link InvalidCredentials} if there is none. */
export interface Callers {
  callerOf(credentials: string): Caller | Promise<Caller>
}

interface Options {
  settings: AccessSettings
  keys: Callers
  /** Undefined where only keys are accepted. */
  tokens: Callers | undefined
  log: Log
}

type Identity = Caller | InvalidCredentials

/** The longest API key or token, in bytes. */
const maxLength = 8192

/** Checks, before the body of a request is read, who sends it, whether they may, and whether they send too much. */
export function guard(app: FastifyInstance, { settings, keys, tokens, log }: Options): void {
  const anonymous: Caller = { name: 'anonymous', scopes: new Set(settings.anonymous) }
  const limits = limiter(app, settings.rateLimit)

  app.addHook('onRequest', (request, reply, done) => {
    const { scope } = request.routeOptions.config
    if (scope === undefined) return done() // public, or there is no such route
    const caller = identify(request)
    if (caller instanceof Promise) {
      const begun = performance.now()
      caller
        .then((caller) => {
          request.waited = performance.now() - begun
          admit(request, reply, scope, caller)
        })
        .then(() => done(), done)
    } else {
      admit(request, reply, scope, caller)
      done()
    }
  })

  /** The caller of a request, or why its credentials are not accepted. */
  function identify(request: FastifyRequest): Identity | Promise<Identity> {
    const credentials = credentialsIn(request)
    if (credentials === undefined) return anonymous
    try {
      const caller = callersFor(credentials).callerOf(credentials)
      return caller instanceof Promise ? caller.catch(invalid) : caller
    } catch (error) {
      return invalid(error)
    }
  }

  function callersFor(credentials: string): Callers {
    if (isApiKey(credentials)) return keys
    if (tokens && credentials !== '') return tokens
    throw new InvalidCredentials(tokens ? 'not a Bearer token' : 'not an API key')
  }

  /** Lets a request pass. Throws the answer if its caller has not the scope, or has sent too much. */
  function admit(request: FastifyRequest, reply: FastifyReply, scope: Scope, caller: Identity): void {
    if (caller instanceof InvalidCredentials) {
      limits.fail(request, reply)
      throw denied(request, 'invalid-token', scope, caller.message)
    }
    request.caller = caller
    if (caller !== anonymous || anonymous.scopes.size > 0) limits.spend(request, reply)
    if (includes(caller.scopes, scope)) return
    if (caller === anonymous) throw denied(request, 'unauthenticated', scope, `no credentials, and ${scope} is needed`)
    throw denied(request, 'insufficient-scope', scope, `${caller.name} lacks the scope ${scope}`)
  }

  /** The answer. It does not say why, so the log does. */
  function denied(request: FastifyRequest, code: Denial, scope: Scope, reason: string): Problem {
    const { id, ip } = request
    const metadata = tokens && metadataUrl(request)
    const problem = accessProblem(code, scope, metadata ? { resource_metadata: metadata } : {})
    const { status } = problem.kind
    log.throttled('warn', `${ip} ${reason}`, { request_id: id, client: ip, code }, `Denied with ${status}: ${reason}`)
    return problem
  }
}

/** The API key or token of a request: undefined if there is none, empty if it has another form. */
function credentialsIn({ raw }: FastifyRequest): string | undefined {
  const { authorization } = raw.headers
  if (authorization === undefined) return undefined
  if (timesSent('authorization', raw) > 1) throw malformed('The header Authorization may be sent only once.')
  const [, credentials = ''] = /^bearer +([\w.~+/=-]+)$/i.exec(authorization) ?? []
  if (credentials.length > maxLength) throw malformed(`An API key or token may have at most ${maxLength} bytes.`)
  return credentials
}

function invalid(error: unknown): InvalidCredentials {
  if (error instanceof InvalidCredentials) return error
  throw error
}

const malformed = (detail: string) => new Problem('malformed-request', detail)
