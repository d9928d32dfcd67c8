import type { Scope } from '../config/access-settings.ts'
import { scopes } from '../config/settings.ts'

/** Who sends a request: an API key, the subject of a token, or `anonymous`. */
export interface Caller {
  /** How the change log and the log name it: `key:7f3a9c01`, `sub:…`, `anonymous`. */
  name: string
  scopes: ReadonlySet<Scope>
}

/** Whether these scopes, with those that they imply, include the one that is needed. */
export const includes = (granted: ReadonlySet<Scope>, needed: Scope): boolean =>
  scopes.slice(scopes.indexOf(needed)).some((scope) => granted.has(scope))

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What a caller of the route needs. A route declares this, or that it is `public`. */
    scope?: Scope
    /** Everybody may use the route. */
    public?: boolean
  }
  interface FastifyRequest {
    /** Null where nobody has to say who they are (`AUTH=open`), and on public paths. */
    caller: Caller | null
  }
}
