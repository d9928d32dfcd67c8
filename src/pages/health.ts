import type { FastifyPluginAsync } from 'fastify'
import type { AccessSettings } from '../config/access-settings.ts'
import type { OpenDatabase, Trouble } from '../database/database.ts'
import type { Readiness } from './readiness.ts'

interface Dependencies {
  findTrouble: OpenDatabase['findTrouble']
  readiness: Readiness
  auth: AccessSettings['auth']
}

const probe = { schema: { hide: true }, config: { anyHost: true, public: true } }

/** `/livez`: the process answers. `/readyz` (alias `/healthz`): it can serve data, or which checks fail. */
export const health: FastifyPluginAsync<Dependencies> = async (app, { findTrouble, readiness, auth }) => {
  let underWay: Promise<Trouble> | undefined
  let reported: string | undefined

  /** What the database lacks; simultaneous probes share one answer, and each change is logged. */
  async function look(): Promise<Trouble> {
    underWay ??= findTrouble().finally(() => {
      underWay = undefined
    })
    const trouble = await underWay
    const reason = trouble.database ?? trouble.schema
    if (readiness.schema.ready && reason !== reported) {
      if (reason) app.log.error(`Not ready: ${reason}`)
      else app.log.info('Ready again')
      reported = reason
    }
    return trouble
  }

  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store')
  })

  app.get('/livez', probe, async () => ({ status: 'ok' }))

  for (const path of ['/readyz', '/healthz'])
    app.get(path, probe, async (_request, reply) => {
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
      const ok = Object.values(checks).every((check) => check.ok)
      return reply.code(ok ? 200 : 503).send({ status: ok ? 'ok' : 'unavailable', auth, checks })
    })
}
