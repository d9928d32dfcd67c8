import type { FastifyInstance, FastifyRequest } from 'fastify'
import { beginRequest, isTracing, type RequestSpan } from '../tracing.ts'
import { withoutCredentials } from './request-log.ts'

/** Gives each request a span, if an OpenTelemetry SDK is there to take it. Comes before all other hooks. */
export function traceRequests(app: FastifyInstance): void {
  if (!isTracing()) return
  const spans = new WeakMap<FastifyRequest, RequestSpan>()
  app.addHook('onRequest', (request, { raw: answer }, done) => {
    const { method, raw, originalUrl } = request
    const path = withoutCredentials(originalUrl.split('?', 1)[0] as string)
    const span = beginRequest(raw.headers, { 'http.request.method': method, 'url.path': path }) as RequestSpan
    spans.set(request, span)
    answer.once('close', () => {
      const [route, status] = [request.route || undefined, answer.statusCode]
      const attributes = { 'http.response.status_code': status, ...(route && { 'http.route': route }) }
      span.end(route ? `${method} ${route}` : method, attributes, status >= 500)
    })
    span.within(done)
  })
  // A body arrives as a part of its connection, not of its request.
  app.addHook('preValidation', (request, _reply, done) => {
    const span = spans.get(request)
    if (span) span.within(done)
    else done()
  })
}
