import type { FastifyPluginAsync } from 'fastify'
import type { OpenDatabase } from '../database/database.ts'
import type { Readiness } from './readiness.ts'

interface Dependencies {
  takesWrites: OpenDatabase['takesWrites']
  readiness: Readiness
}

/** `/livez`: the process answers. `/readyz` (alias `/healthz`): it can serve data, or which checks fail. */
export const health: FastifyPluginAsync<Dependencies> = async (app, { takesWrites, readiness }) => {
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })

  app.get('/livez', { schema: { hide: true } }, async () => ({ status: 'ok' }))

  for (const path of ['/readyz', '/healthz'])
    app.get(path, { schema: { hide: true } }, async (_request, reply) => {
      const { schema, draining } = readiness
      const checks = {
        database: { ok: await takesWrites() },
        schema: { ok: schema.ready, expected: schema.expected, found: schema.found },
        process: { ok: !draining, draining },
      }
      const ok = Object.values(checks).every((check) => check.ok)
      return reply.code(ok ? 200 : 503).send({ status: ok ? 'ok' : 'unavailable', checks })
    })
}
