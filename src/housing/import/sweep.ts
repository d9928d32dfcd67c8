import type { FastifyInstance } from 'fastify'
import type { Database } from '../../database/tables.ts'
import { deleteExpired } from './queries.ts'

/** In milliseconds. */
const hour = 3_600_000

/**
 * Deletes, until the app is closed, what nobody has applied in time. What an earlier process has left has expired at the
 * first time too.
 */
export function sweep(app: FastifyInstance, db: Database, every = hour): void {
  const sweeping = setInterval(() => deleteExpired(db).catch(() => {}), every).unref()
  app.addHook('onClose', async () => clearInterval(sweeping))
}
