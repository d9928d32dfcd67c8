import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../config/config.ts'
import { databaseOf } from '../database/open.ts'
import { backlog } from '../http/limits.ts'
import { createLog, type Log, watchEventLoop } from '../log.ts'
import { bringUp } from '../migrations/bring-up.ts'
import { readMigrations } from '../migrations/files.ts'
import { metricsServer } from '../pages/metrics.ts'
import { type Readiness, rejectUntilReady } from '../pages/readiness.ts'
import { createServer } from '../server.ts'
import { joinTraces } from '../tracing.ts'
import { version } from '../version.ts'
import { addressOf } from './address.ts'
import { type Running, stopOnSignal, unusedConnections } from './stop.ts'

/** Serves until a signal. Rejects if the start fails: an unusable folder, a port in use, a database that rejects us. */
export async function serve(config: Config): Promise<void> {
  const log = createLog(config.logLevel)
  for (const warning of config.warnings) log.warn(warning)
  watchEventLoop(log)
  await joinTraces(version)
  const migrations = readMigrations()
  const readiness: Readiness = {
    schema: { expected: migrations.at(-1)?.version ?? '', found: null, ready: false },
    draining: false,
  }
  const running: Running = {}
  stopOnSignal(running, readiness, log, process.stdout.isTTY ? 0 : config.drainSeconds)

  const database = databaseOf(config.database, () => rejectUntilReady(readiness), {
    info: (line) => log.info(line),
    warn: (line) => log.warn(line),
  })
  running.database = database
  await database.claim()
  const { app, findHealth } = await createServer({ ...config, database, readiness, log, version })
  running.unused = unusedConnections(app.server)
  running.app = app
  try {
    if (config.metrics) await listenForMetrics(config.metrics, metricsServer(findHealth), log)
    await listen(app, config, database.where)
    const { port } = app.server.address() as AddressInfo
    await database.open()
    database.announce(`http://${addressOf(config.host, port)}`)
    await bringUp(database, migrations, {
      mode: config.migrate,
      onStatus({ found, pending }) {
        readiness.schema = { ...readiness.schema, found, ready: pending.length === 0 }
      },
      report: (line) => log.info(line),
      warn: (line) => log.warn(line),
    })
    log.info(`Ready: the schema is at ${readiness.schema.found}`)
  } catch (error) {
    if (readiness.draining) return // a stop ended it, and ends the program
    await app.close()
    await database.close()
    throw error
  }
}

async function listen(app: FastifyInstance, { host, port }: Config, where: string): Promise<void> {
  const listenTextResolver = (address: string) => {
    const url = address.replace('127.0.0.1', 'localhost')
    return `Sample API ${version} listens on ${url}; docs: ${url}/docs; data: ${where}`
  }
  try {
    // For `localhost` Fastify would open a second server, without the limits that ours has.
    await app.listen({ host: host === 'localhost' ? '127.0.0.1' : host, port, backlog, listenTextResolver })
  } catch (error) {
    throw cannotListen(error, { host, port }, '')
  }
}

async function listenForMetrics(
  { host, port }: NonNullable<Config['metrics']>,
  server: Server,
  log: Log,
): Promise<void> {
  try {
    await once(server.listen(port, host), 'listening')
  } catch (error) {
    throw cannotListen(error, { host, port }, 'METRICS_')
  }
  log.info(`Metrics: http://${addressOf(host, (server.address() as AddressInfo).port)}/metrics`)
}

function cannotListen(error: unknown, { host, port }: { host: string; port: number }, prefix: '' | 'METRICS_'): Error {
  const { code, message } = error as NodeJS.ErrnoException
  const why = {
    EADDRINUSE: `port ${port} of ${host} is in use. Stop the process that uses it, or set ${prefix}PORT to another port`,
    EACCES: `this user may not use port ${port}. Set ${prefix}PORT to a port above 1023`,
    EADDRNOTAVAIL: `${host} is not an address of this machine. Set ${prefix}HOST to 127.0.0.1, or to 0.0.0.0 for all addresses`,
  }[code ?? '']
  return new Error(`Cannot listen: ${why ?? message}.`)
}
