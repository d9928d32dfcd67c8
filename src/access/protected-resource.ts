import type { FastifyPluginAsync } from 'fastify'
import { scopes } from '../contract/caller.ts'
import { Problem } from '../contract/problems.ts'
import { plainJson } from '../http/representation.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Nobody has to say who they are. */
    public?: boolean
  }
}

/** Tells clients which issuer's tokens the API accepts (RFC 9728). */
export const protectedResource: FastifyPluginAsync<{ issuer: string }> = async (app, { issuer }) => {
  app.get(
    '/.well-known/oauth-protected-resource',
    { onSend: plainJson, schema: { hide: true }, config: { public: true } },
    async ({ site: { scheme = 'https', host, prefix } }, reply) => {
      if (!host) throw new Problem('malformed-request', 'The request must have the header Host.')
      const resource = `${scheme}://${host}${prefix}`
      reply.header('cache-control', 'max-age=3600')
      return {
        resource,
        authorization_servers: [issuer],
        scopes_supported: scopes,
        bearer_methods_supported: ['header'],
        resource_documentation: `${resource}/docs`,
      }
    },
  )
}
