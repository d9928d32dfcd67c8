import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { scopes } from '../config/settings.ts'
import { Problem } from '../contract/problems.ts'
import { plainJson } from '../http/representation.ts'

const path = '/.well-known/oauth-protected-resource'

/** The URL of the API as the client of a request sees it. */
const resourceOf = ({ site: { scheme = 'https', host = '', prefix } }: FastifyRequest) => `${scheme}://${host}${prefix}`

/** Where the client of a request finds which issuer to ask; undefined if it does not say which host it means. */
export const metadataUrl = (request: FastifyRequest): string | undefined =>
  request.site.host && resourceOf(request) + path

/** Names the issuer whose tokens the API accepts (RFC 9728). */
export const protectedResource: FastifyPluginAsync<{ issuer: string }> = async (app, { issuer }) => {
  app.get(path, { onSend: plainJson, schema: { hide: true }, config: { public: true } }, async (request, reply) => {
    if (!request.site.host) throw new Problem('malformed-request', 'The request must have the header Host.')
    const resource = resourceOf(request)
    reply.header('cache-control', 'max-age=3600')
    return {
      resource,
      authorization_servers: [issuer],
      scopes_supported: scopes,
      bearer_methods_supported: ['header'],
      resource_documentation: `${resource}/docs`,
    }
  })
}
