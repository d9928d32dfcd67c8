import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { Caller } from '../../src/contract/caller.ts'
import { Feed } from '../../src/housing/changes/feed.ts'
import { housingRoutes } from '../../src/housing/routes.ts'
import { createApp } from '../../src/http/app.ts'
import { validateStrictly } from '../../src/http/strict.ts'
import type { ServerOptions } from '../../src/server.ts'
import { optionsFor, silent } from './api.ts'

/** The API of houses, whose clients name themselves in the header `caller`. */
export async function appWithCallers(database: ServerOptions['database']): Promise<FastifyInstance> {
  const app = createApp(optionsFor(database))
  const callers = new Map<string, Caller>()
  app.addHook('onRequest', (request, _reply, done) => {
    const { caller: name } = request.headers
    if (typeof name === 'string') {
      request.caller = callers.get(name) ?? { name, scopes: new Set() }
      callers.set(name, request.caller)
    }
    done()
  })
  const version2: FastifyPluginAsync = async (app) => {
    validateStrictly(app)
    await app.register(housingRoutes, { prefix: '/housing', database, feed: new Feed(database, silent) })
  }
  await app.register(version2, { prefix: '/api/v2' })
  return app
}
