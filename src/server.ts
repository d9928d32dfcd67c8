import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import { Type } from 'typebox'
import { ProblemDocument, sendProblem } from './contract/problems.ts'
import type { OpenDatabase } from './database/database.ts'
import { housingRoutes } from './housing/routes.ts'
import { HousingTypes } from './housing-types/memory.ts'
import { housingTypeRoutes } from './housing-types/routes.ts'
import { acceptStrictJson } from './http/body.ts'
import { allowOrigins } from './http/cors.ts'
import { setHeaders } from './http/headers.ts'
import { bodyLimit, httpLimits, refuseOutright, refuseUnparsable } from './http/limits.ts'
import { answerUnrouted, redirectSlash, routedUrl } from './http/not-found.ts'
import { compressAnswers, plainJson, requireJsonAccepted } from './http/representation.ts'
import { refuseMalformedHeaders } from './http/request-headers.ts'
import { logRequests, requestId, requestLine } from './http/request-log.ts'
import { buildValidator, refuseWrongParameters } from './http/validation.ts'
import type { Log } from './log.ts'
import { describe } from './pages/docs.ts'
import { health } from './pages/health.ts'
import { problemPages } from './pages/problem-pages.ts'
import type { Readiness } from './pages/readiness.ts'
import { excuseContentType } from './v1/body.ts'
import { sendDetail } from './v1/failures.ts'
import { v1Routes } from './v1/routes.ts'

/** What the API needs of the process around it. */
export interface ServerOptions {
  database: Pick<OpenDatabase, 'db' | 'takesWrites' | 'listen'>
  readiness: Readiness
  log: Log
  origins: string[] | '*'
  trustProxy: string[]
  version: string
}

/** The API's table of contents: what all routes share, then one line per resource. */
export async function createServer({ database, readiness, log, origins, trustProxy, version }: ServerOptions) {
  const app: FastifyInstance = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: requestId,
    trustProxy: trustProxy.length > 0 && trustProxy,
    http: httpLimits,
    requestTimeout: httpLimits.requestTimeout, // Fastify sets its own default, none, over Node's option
    bodyLimit,
    schemaController: { compilersFactory: { buildValidator } },
    clientErrorHandler: refuseUnparsable,
    routerOptions: { maxParamLength: httpLimits.maxHeaderSize },
    frameworkErrors: (error, request, reply) => {
      // no hook runs for what the router refuses
      setHeaders(request, reply)
      grantOrigin(request, reply)
      sendFailure(refuseOutright(request) ?? error, request, reply)
      log.line(requestLine(request, reply, Number(reply.getHeader('content-length'))))
    },
    rewriteUrl: routedUrl,
    return503OnClosing: false,
  })
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response)) // none is refused
  app.setChildLoggerFactory((logger) => logger) // lines name their request themselves
  app.addHook('onRequest', (request, reply, done) => {
    setHeaders(request, reply)
    done()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (readiness.draining) reply.header('connection', 'close') // else it would be kept for a next request, and waited for
    done()
  })
  compressAnswers(app)
  logRequests(app, log)
  app.setErrorHandler(sendFailure)
  app.setNotFoundHandler(notFound(app))
  app.removeAllContentTypeParsers()
  for (const method of ['DELETE', 'QUERY']) app.addHttpMethod(method, { hasBody: false, overrideExisting: true }) // no route reads one
  app.addSchema(ProblemDocument)
  const grantOrigin = allowOrigins(app, origins)
  app.addHook('onRequest', (request, _reply, done) => {
    if (request.headers['content-type'] !== undefined && !inVersion2(request)) excuseContentType(request.raw)
    done(refuseOutright(request))
  })
  await describe(app, version)

  const { db, takesWrites, listen } = database
  const types = new HousingTypes(
    db,
    listen('housing_types', (line) => log.info(line)),
  )
  await app.register(health, { takesWrites, readiness })
  await app.register(problemPages)
  app.get('/', { schema: greeting, onSend: plainJson }, async () => ({ message: 'Sample API' }))
  await app.register(
    async (v2) => {
      acceptStrictJson(v2)
      refuseMalformedHeaders(v2)
      refuseWrongParameters(v2)
      requireJsonAccepted(v2)
      await v2.register(housingRoutes, { prefix: '/housing', db })
      await v2.register(housingTypeRoutes, { prefix: '/housing-types', types })
    },
    { prefix: '/api/v2' },
  )
  await app.register(v1Routes, { prefix: '/api/v1', db, types })
  await app.ready()
  return app
}

const greeting = {
  operationId: 'root__get',
  summary: 'Root',
  response: { 200: Type.Object({ message: Type.String({ examples: ['Sample API'] }) }) },
}

/** Whether version 2 answers: by the route, however the client spelt it, or by what would be its path. */
const inVersion2 = ({ routeOptions, url }: FastifyRequest) =>
  /^\/(api\/v2|problems)([/?]|$)/.test(routeOptions?.url ?? url)

/** The one exit for whatever is thrown. */
function sendFailure(error: unknown, request: FastifyRequest, reply: FastifyReply) {
  return (inVersion2(request) ? sendProblem : sendDetail)(error, request, reply)
}

function notFound(app: FastifyInstance) {
  const v2 = answerUnrouted(app, {
    notFound: 'There is nothing at this path. /docs lists what there is.',
    notAllowed: 'This path does not take this method; the header Allow lists those that it takes.',
  })
  const v1 = redirectSlash(app, answerUnrouted(app, { notFound: 'Not Found', notAllowed: 'Method Not Allowed' }))
  return async (request: FastifyRequest, reply: FastifyReply) => (inVersion2(request) ? v2 : v1)(request, reply)
}
