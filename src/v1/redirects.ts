import type { FastifyInstance } from 'fastify'
import { pathOf } from '../contract/path.ts'
import { type Dialect, methodsOf } from '../http/failures.ts'

/**
 * The predecessor's rule: a path that matches a route except for its trailing slash is redirected there, whatever the
 * method.
 */
export const redirectSlash =
  (app: FastifyInstance, otherwise: Dialect['answerUnrouted']): Dialect['answerUnrouted'] =>
  async (request, reply) => {
    const path = pathOf(request)
    const other = path.endsWith('/') ? path.replace(/(?<!\/)\/+$/, '') : `${path}/`
    if (methodsOf(app, path).length > 0 || methodsOf(app, other).length === 0) return otherwise(request, reply)
    const query = request.url.slice(path.length).replace(/^\?$/, '')
    const { scheme = 'http', host, prefix } = request.site
    // Without a Host, as in HTTP/1.0, a relative Location has to do.
    const base = host === undefined ? '' : `${scheme}://${host}${prefix}`
    return reply
      .code(307)
      .header('location', base + other + query)
      .send()
  }
