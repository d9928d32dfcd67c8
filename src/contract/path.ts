import type { FastifyRequest } from 'fastify'

/** Where clients see the API, which a proxy in front may publish under another address. */
export interface Site {
  /** The scheme that a trusted proxy names; undefined where none does. */
  scheme: 'http' | 'https' | undefined
  /** Host and port; undefined where the request names none. */
  host: string | undefined
  /** The path below which a proxy publishes the API, such as `/registry`; usually empty. */
  prefix: string
}

declare module 'fastify' {
  interface FastifyRequest {
    site: Site
  }
}

/** The path of a request, as the client spelled it, without the query. */
export const pathOf = ({ url }: Pick<FastifyRequest, 'url'>): string => url.split('?', 1)[0] as string
