import type { FastifyPluginAsync } from 'fastify'
import type { AccessSettings } from '../config/access-settings.ts'
import type { OpenDatabase, Trouble } from '../database/database.ts'
import type { Log } from '../log.ts'
import type { Readiness } from './readiness.ts'

/** What `/readyz` finds. */
export interface Health {
  /** Whether all checks are. */
  ok: boolean
  checks: Record<'database' | 'schema' | 'process', { ok: boolean }>
}

interface Dependencies {
  findTrouble: OpenDatabase['findTrouble']
  readiness: Readiness
  log: Log
}

/**
 * Finds out whether the process can serve data, which takes a second at most. Simultaneous questions share one answer of
 * the database, and each change of it is logged.
 */
export function healthCheck({ findTrouble, readiness, log }: Dependencies): () => Promise<Health> {
  let underWay: Promise<Trouble> | undefined
  let reported: string | undefined

  async function look(): Promise<Trouble> {
    underWay ??= findTrouble().finally(() => {
      underWay = undefined
    })
    const trouble = await underWay
    const reason = trouble.database ?? trouble.schema
    if (readiness.schema.ready && reason !== reported) {
      if (reason) log.error(`Not ready: ${reason}`)
      else log.info('Ready again')
      reported = reason
    }
    return trouble
  }

  return async () => {
    const trouble = await look()
    const { schema, draining } = readiness
    const checks = {
      database: { ok: trouble.database === undefined },
      schema: {
        ok: schema.ready && trouble.schema === undefined,
        expected: schema.expected,
        found: schema.found,
      },
      process: { ok: !draining, draining },
    }
    return { ok: Object.values(checks).every((check) => check.ok), checks }
  }
}

const probe = { schema: { hide: true }, config: { anyHost: true, public: true } }

/** `/livez`: the process answers. `/readyz` (alias `/healthz`): it can serve data, or which checks fail. */
export const probes: FastifyPluginAsync<{
  findHealth: () => Promise<Health>
  auth: AccessSettings['auth']
}> = async (app, { findHealth, auth }) => {
  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })

  app.get('/livez', probe, async () => ({ status: 'ok' }))

  for (const path of ['/readyz', '/healthz'])
    app.get(path, probe, async (_request, reply) => {
      const { ok, checks } = await findHealth()
      return reply.code(ok ? 200 : 503).send({ status: ok ? 'ok' : 'unavailable', auth, checks })
    })
}
