import type { FastifyInstance, RouteOptions } from 'fastify'
import type { AccessSettings } from '../config/access-settings.ts'
import type { OpenDatabase } from '../database/database.ts'
import type { Log } from '../log.ts'
import { guard } from './guard.ts'
import { ApiKeys } from './keys.ts'
import { protectedResource } from './protected-resource.ts'
import { Tokens } from './tokens.ts'

interface Options {
  settings: AccessSettings
  database: Pick<OpenDatabase, 'beside' | 'patience' | 'listen'>
  log: Log
}

/**
 * Lets callers use a route if they have the scope that it declares; everybody may use a route that is declared public. A
 * route that declares neither fails the start, also with `AUTH=open`, which checks nothing else. Comes before the routes.
 */
export async function controlAccess(app: FastifyInstance, { settings, database, log }: Options): Promise<void> {
  requireDeclarations(app)
  if (settings.auth === 'open') return
  const notices = database.listen('api_keys', (line) => log.info(line))
  const keys = new ApiKeys(database, notices, ({ message }) =>
    log.warn(`The days on which API keys were used could not be stored for now: ${message}`),
  )
  app.addHook('onClose', () => keys.flush().catch(() => {})) // only days of use would be lost
  const tokens = settings.tokens && new Tokens({ ...settings.tokens, log })
  guard(app, { settings, keys, tokens, log })
  if (settings.tokens) await app.register(protectedResource, settings.tokens)
}

/** Looks once all routes are registered, as a later hook may declare them public. */
function requireDeclarations(app: FastifyInstance): void {
  const routes: RouteOptions[] = []
  app.addHook('onRoute', (route) => void routes.push(route))
  app.addHook('onReady', async () => {
    const undeclared = routes.filter(({ config }) => config?.scope === undefined && !config?.public)
    if (undeclared.length > 0)
      throw new Error(
        `${undeclared.map(({ method, url }) => `${method} ${url}`).join(', ')}: a route must declare the scope that it needs, or that it is public.`,
      )
  })
}
