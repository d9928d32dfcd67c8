import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '../contract/problems.ts'

/**
 * What becomes of a request that no route takes: OPTIONS tells the path's methods, another method is a 405, and the
 * rest is a 404 with these words.
 */
export const answerUnrouted = (app: FastifyInstance, detail: { notFound: string; notAllowed: string }) =>
  async function unrouted(request: FastifyRequest, reply: FastifyReply) {
    const allowed: string[] = methodsOf(app, pathOf(request))
    const allow = allowed.join(', ')
    // A route that takes the method and still ends here has found nothing itself.
    if (!allow || allowed.includes(request.method)) throw new Problem('not-found', detail.notFound)
    if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send()
    throw new Problem('method-not-allowed', detail.notAllowed, { headers: { allow } })
  }

/**
 * Version 1's rule: a path that would have a route with a slash more or less at its end is redirected there,
 * whatever the method.
 */
export const redirectSlash = (app: FastifyInstance, otherwise: ReturnType<typeof answerUnrouted>) =>
  async function slash(request: FastifyRequest, reply: FastifyReply) {
    const path = pathOf(request)
    const other = path.endsWith('/') ? path.replace(/(?<!\/)\/+$/, '') : `${path}/`
    if (methodsOf(app, path).length > 0 || methodsOf(app, other).length === 0) return otherwise(request, reply)
    const query = request.url.slice(path.length).replace(/^\?$/, '')
    // Without a proper Host a relative Location has to do.
    const origin = /^[\w.:[\]-]+$/.test(request.host) ? `${request.protocol}://${request.host}` : ''
    return reply
      .code(307)
      .header('location', origin + other + query)
      .send()
  }

/**
 * The URL as the router shall see it: its path alone, where the client sent an absolute URL (RFC 9112, 3.2.2), and under
 * version 2 without one slash at the end of the path.
 */
export function routedUrl({ url = '/' }: IncomingMessage): string {
  const path = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*\/?/i, '/')
  return path.startsWith('/api/v2/') ? path.replace(/^([^?]*[^/?])\/(?=\?|$)/, '$1') : path
}

const pathOf = ({ url }: FastifyRequest) => url.split('?', 1)[0] as string

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
const methodsOf = (app: FastifyInstance, url: string) => methods.filter((method) => app.findRoute({ method, url }))
