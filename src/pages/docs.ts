import swagger from '@fastify/swagger'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { AccessSettings, Scope } from '../config/access-settings.ts'
import { includes } from '../contract/caller.ts'
import { plainJson } from '../http/representation.ts'
import { docsPage } from './docs-page.ts'

interface Options {
  version: string
  access: AccessSettings
}

/**
 * The contract at `/openapi.json`, and pages to read and to try it at `/docs`, which ask no other server. Comes before
 * the routes that it documents.
 */
export async function serveDocs(app: FastifyInstance, { version, access }: Options): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Sample API',
        version,
        description: 'A registry of homes. Version 2 is for new clients; version 1 is frozen.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/' }],
      components: {
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description:
              'An API key, which begins with `hr_`, or an access token of the issuer that the service trusts. With `AUTH=open`, the default of the service, it needs neither.',
          },
        },
      },
    },
    transform: ({ schema, url, route }) => ({ schema: { ...schema, ...secured(route.config?.scope, access) }, url }),
    // The resources declare their tags after this.
    transformObject: (document) =>
      'openapiObject' in document ? { ...completed(document.openapiObject), tags: app.declared.tags } : {},
    refResolver: { buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `def-${i}`) },
  })
  await app.register(docsPage, { asksForKeys: access.auth === 'keys' })
  app.get('/openapi.json', { schema: { hide: true }, config: { public: true }, onSend: plainJson }, async (request) =>
    atSite(app.swagger(), request),
  )
  app.get('/redoc', { schema: { hide: true }, config: { public: true } }, async (_request, reply) =>
    reply.redirect('/docs'),
  )
}

/** The contract, whose server is the API where clients see it. */
function atSite<Document extends object>(document: Document, { site: { prefix } }: FastifyRequest): Document {
  return prefix ? { ...document, servers: [{ url: prefix }] } : document
}

/** What a caller needs for a route, as the contract says it. An empty requirement stands for no credentials. */
function secured(
  scope: Scope | undefined,
  { auth, anonymous }: AccessSettings,
): { security: Record<string, string[]>[] } {
  if (scope === undefined) return { security: [] }
  const isOptional = auth === 'open' || includes(new Set(anonymous), scope)
  return { security: [...(isOptional ? [{}] : []), { bearer: [scope] }] }
}

interface Schema {
  $ref?: string
  oneOf?: Schema[]
  enum?: string[]
  properties?: Record<string, Schema>
  examples?: unknown[]
  discriminator?: { propertyName: string; mapping?: Record<string, string> }
}
interface Operation {
  parameters?: { schema: object }[]
  requestBody?: { content: Record<string, { schema: Schema; example?: unknown }> }
}
interface Contract {
  components: { schemas: Record<string, Schema> }
  paths: Record<string, Record<string, Operation>>
}

/** Completes the contract with what tools need and routes cannot declare, and leaves out what is not to be listed. */
function completed(contract: object): object {
  const { components, paths } = contract as Contract
  const schemaOf = ({ $ref = '' }: Schema) => components.schemas[$ref.slice($ref.lastIndexOf('/') + 1)]
  for (const schema of Object.values(components.schemas)) {
    const { discriminator, oneOf = [] } = schema
    if (!discriminator) continue
    // Ajv allows no mapping; without one, tools take the names of the schemas for the values.
    const { propertyName } = discriminator
    const tagOf = (branch: Schema) => schemaOf(branch)?.properties?.[propertyName]?.enum?.[0]
    schema.discriminator = {
      propertyName,
      mapping: Object.fromEntries(oneOf.map((branch) => [tagOf(branch), branch.$ref])),
    }
  }
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path))) {
    if (operation.parameters)
      operation.parameters = operation.parameters.filter(({ schema }) => !('x-not-listed' in schema))
    for (const media of Object.values(operation.requestBody?.content ?? {}))
      media.example = schemaOf(media.schema)?.examples?.[0]
  }
  return contract
}
