import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyInstance, onRequestHookHandler } from 'fastify'

/** Parses a header of a request, if it has one. Throws where it is malformed. */
type Read = (headers: IncomingHttpHeaders) => unknown

/** Rejects malformed headers, before anything else is checked, on the routes whose contract has them. */
export function rejectMalformedHeaders(app: FastifyInstance, readers: Record<string, Read>): void {
  app.addHook('onRoute', (route) => {
    const { properties = {} } = (route.schema?.headers ?? {}) as { properties?: object }
    const read = Object.keys(properties).flatMap((name) => readers[name] ?? [])
    if (read.length === 0) return
    const readAll: onRequestHookHandler = ({ headers }, _reply, done) => {
      for (const header of read) header(headers)
      done()
    }
    route.onRequest = [[route.onRequest ?? []].flat(), readAll].flat()
  })
}
