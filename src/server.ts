import type { FastifyPluginAsync } from 'fastify'
import { controlAccess } from './access/access.ts'
import type { AccessSettings } from './config/access-settings.ts'
import type { OpenDatabase } from './database/database.ts'
import { Feed, wakeAfterWrites } from './housing/changes/feed.ts'
import { housingRoutes } from './housing/routes.ts'
import { HousingTypes } from './housing-types/memory.ts'
import { housingTypeRoutes } from './housing-types/routes.ts'
import { type AppOptions, createApp } from './http/app.ts'
import { validateStrictly } from './http/strict.ts'
import { serveDocs } from './pages/docs.ts'
import { frontPageFiles } from './pages/front-page.ts'
import { greeting } from './pages/greeting.ts'
import { healthCheck, probes } from './pages/health.ts'
import { pageFiles } from './pages/html.ts'
import { problemPages } from './pages/problem-pages.ts'
import type { Readiness } from './pages/readiness.ts'
import { addVersion1 } from './v1/version1.ts'

/** What the process hands to the API. */
export interface ServerOptions extends Omit<AppOptions, 'connections'> {
  database: Pick<
    OpenDatabase,
    'db' | 'beside' | 'patience' | 'findTrouble' | 'listen' | 'bulk' | 'copyOut' | 'hasOneConnection' | 'connections'
  >
  access: AccessSettings
  readiness: Readiness
  version: string
}

/** The API's table of contents, and what `/readyz` of it asks. */
export async function createServer({ database, access, readiness, version, ...options }: ServerOptions) {
  const app = createApp({ ...options, readiness, connections: database.connections })
  const { db, findTrouble, listen } = database
  const types = new HousingTypes(
    database,
    listen('housing_types', (line) => options.log.info(line)),
  )

  const feed = new Feed(database, options.log)
  wakeAfterWrites(app, feed)

  await controlAccess(app, { settings: access, database, log: options.log })
  await serveDocs(app, { version, access })
  const findHealth = healthCheck({ findTrouble, readiness, log: options.log })
  await app.register(probes, { findHealth, auth: access.auth })
  await app.register(pageFiles)
  await app.register(problemPages)
  await app.register(version2, { prefix: '/api/v2', database, types, feed })
  await addVersion1(app, { db, types })
  await app.register(greeting)
  await app.register(frontPageFiles)
  await app.ready()
  return { app, findHealth }
}

const version2: FastifyPluginAsync<{ database: ServerOptions['database']; types: HousingTypes; feed: Feed }> = async (
  app,
  { database, types, feed },
) => {
  validateStrictly(app)
  await app.register(housingRoutes, { prefix: '/housing', database, feed })
  await app.register(housingTypeRoutes, { prefix: '/housing-types', types })
}
