import type { FastifyInstance } from 'fastify'
import type { Caller } from '../../src/contract/caller.ts'
import { createApp } from '../../src/http/app.ts'
import type { ServerOptions } from '../../src/server.ts'
import { optionsFor } from './api.ts'

/** An app without routes, whose clients name themselves in the header `caller`. */
export function appWithCallers(database: ServerOptions['database']): FastifyInstance {
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
  return app
}
