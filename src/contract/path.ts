import type { FastifyRequest } from 'fastify'

/** The path of a request, as the client spelled it, without the query. */
export const pathOf = ({ url }: Pick<FastifyRequest, 'url'>): string => url.split('?', 1)[0] as string
