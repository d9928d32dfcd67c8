import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { pathOf } from '../contract/path.ts'
import { Problem, sendProblem } from '../contract/problems.ts'

/** The form of failing answers for some paths. */
export interface Dialect {
  /** Whether a path answers failures in this form. */
  speaks: (path: string) => boolean
  /** Answers whatever was thrown. */
  sendFailure: (error: unknown, request: FastifyRequest, reply: FastifyReply) => unknown
  /** Answers a request that matches no route. */
  answerUnrouted: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Forms of failures other than problem documents; the first that speaks for the path is used. */
    dialects: Dialect[]
  }
}

/** Sends every failure to the dialect of its path; the default one answers with problem documents. */
export function answerFailures(app: FastifyInstance): void {
  app.decorate('dialects', [])
  const problems: Dialect = {
    speaks: () => true,
    sendFailure: sendProblem,
    answerUnrouted: unroutedAnswer(app, {
      notFound: 'There is nothing at this path. /docs lists the paths.',
      notAllowed: 'This path does not support this method. The header Allow lists those that it supports.',
    }),
  }
  // Match the pattern of the route, not the URL: the client may have percent-encoded it.
  const dialectOf = ({ routeOptions, url }: FastifyRequest) =>
    app.dialects.find(({ speaks }) => speaks(routeOptions?.url ?? url)) ?? problems
  app.setErrorHandler((error, request, reply) => dialectOf(request).sendFailure(error, request, reply))
  app.setNotFoundHandler((request, reply) => dialectOf(request).answerUnrouted(request, reply))
}

/**
 * Answers a request that no route matches: OPTIONS with the methods of the path, another method with a 405, and the
 * rest with a 404 in these words.
 */
export const unroutedAnswer =
  (app: FastifyInstance, words: { notFound: string; notAllowed: string }): Dialect['answerUnrouted'] =>
  async (request, reply) => {
    const allowed: string[] = methodsOf(app, pathOf(request))
    const allow = allowed.join(', ')
    // A route with this method can still call notFound(), such as for a missing file of /docs.
    if (!allow || allowed.includes(request.method)) throw new Problem('not-found', words.notFound)
    if (request.method === 'OPTIONS') return reply.code(204).header('allow', allow).send()
    throw new Problem('method-not-allowed', words.notAllowed, { headers: { allow } })
  }

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const
export const methodsOf = (app: FastifyInstance, url: string) =>
  methods.filter((method) => app.findRoute({ method, url }))
