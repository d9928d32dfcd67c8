import type { IncomingMessage } from 'node:http'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import { kinds } from '../contract/problem-kinds.ts'
import { asProblem, ProblemDocument, problemsSent } from '../contract/problems.ts'
import type { Log } from '../log.ts'
import { admitRequests } from './admission.ts'
import { cutOffUnread, measureConnections, queuePipelined } from './connections.ts'
import { allowOrigins, grantFor } from './cors.ts'
import { refuseOtherSites } from './cross-site.ts'
import { answerFailures } from './failures.ts'
import { setHeaders } from './headers.ts'
import { hostCheck } from './hosts.ts'
import { bodyLimit, httpLimits, refuseUnparsable, requestLineProblem } from './limits.ts'
import { compressAnswers } from './representation.ts'
import { logRequest, logRequests, requestId } from './request-log.ts'
import { addPrefix, locateSite, proxiesIn, siteReader } from './site.ts'
import { traceRequests } from './traces.ts'
import { buildValidator } from './validation.ts'

export interface AppOptions {
  log: Log
  hosts: string[] | '*'
  origins: string[] | '*'
  trustProxy: string[]
  /** How many connections to the database the requests have; 1 by default. */
  connections?: number
  /** While draining, every answer closes its connection. */
  readiness: { draining: boolean }
}

/** Creates the Fastify instance without routes. The hooks below wrap every request, in this order. */
export function createApp({
  log,
  hosts,
  origins,
  trustProxy,
  connections = 1,
  readiness,
}: AppOptions): FastifyInstance {
  const grant = grantFor(origins)
  const hostProblem = hostCheck(hosts)
  const isProxy = trustProxy.length > 0 ? proxiesIn(trustProxy) : undefined
  const siteOf = siteReader(isProxy)
  const app: FastifyInstance = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }), // logRequests writes one line instead of two
    genReqId: requestId,
    trustProxy: isProxy ?? false,
    http: httpLimits,
    requestTimeout: httpLimits.requestTimeout, // Fastify's own default, none, would override Node's option
    bodyLimit,
    schemaController: { compilersFactory: { buildValidator } },
    clientErrorHandler: refuseUnparsable(log),
    routerOptions: { maxParamLength: httpLimits.maxHeaderSize },
    rewriteUrl: routedUrl,
    return503OnClosing: false, // requests that arrive while the server closes are still answered
    frameworkErrors(error, request, reply) {
      // The router rejected the URL, so no hook runs, and the request has no decorations.
      request.site = siteOf(request)
      setHeaders(request, reply)
      grant(request, reply)
      const problem = asProblem(requestLineProblem(request) ?? hostProblem(request) ?? error, request)
      if (readiness.draining) problem.extra.headers = { ...problem.extra.headers, connection: 'close' }
      app.errorHandler(problem, request, reply)
      logRequest(log, request, reply, Number(reply.getHeader('content-length')))
    },
  })
  app.decorateRequest('caller', null)
  app.decorate('declared', { tags: [], groups: [], kinds: new Map(Object.entries(kinds)) })
  app.addSchema(ProblemDocument)
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response)) // ignore it
  queuePipelined(app.server)
  measureConnections(app, cutOffUnread(app.server))
  app.setChildLoggerFactory((logger) => logger) // no child loggers: each line has its request_id
  app.addHook('onReady', async () => {
    for (const code of app.declared.kinds.keys()) problemsSent.of(code) // at 0, so that the first one is an increase
  })
  answerFailures(app)
  locateSite(app, siteOf)

  traceRequests(app)
  // On the way in:
  // 1. the headers of every answer, so that a rejection by any later step carries them too;
  app.addHook('onRequest', (request, reply, done) => {
    setHeaders(request, reply)
    done()
  })
  // 2. the origin: pages of other sites change nothing;
  refuseOtherSites(app, origins, log)
  // 3. CORS, so that a page can read every rejection; a preflight ends here;
  if (origins.length > 0) allowOrigins(app, grant)
  // 4. the request line and the header Host;
  app.addHook('onRequest', (request, _reply, done) => done(requestLineProblem(request) ?? hostProblem(request)))
  // 5. whether it can be answered soon.
  admitRequests(app, { log, connections })
  // Only the versions of the API add body parsers. A body of DELETE or QUERY is never parsed.
  app.removeAllContentTypeParsers()
  for (const method of ['DELETE', 'QUERY']) app.addHttpMethod(method, { hasBody: false, overrideExisting: true })

  // On the way out:
  // 1. while draining, close the connection, because a stop waits for open ones;
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (readiness.draining) reply.header('connection', 'close')
    done()
  })
  // 2. the prefix of a proxy; 3. compression; 4. the log line, last, because it counts the bytes that are sent.
  if (isProxy) addPrefix(app)
  compressAnswers(app)
  logRequests(app, log)
  return app
}

/**
 * The URL for the router: an absolute URL (RFC 9112, 3.2.2) is cut to its path, and under version 2 a single slash at
 * the end is removed.
 */
function routedUrl({ url = '/' }: IncomingMessage): string {
  const path = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?]*\/?/i, '/')
  return path.startsWith('/api/v2/') ? path.replace(/^([^?]*[^/?])\/(?=\?|$)/, '$1') : path
}
