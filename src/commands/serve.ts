import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { Config } from '../config.ts'
import type { OpenDatabase } from '../database/database.ts'
import { openDatabase } from '../database/open.ts'
import { createLog, type Log } from '../log.ts'
import { bringUp } from '../migrations/bring-up.ts'
import { readMigrations } from '../migrations/files.ts'
import { type Readiness, rejectUntilReady } from '../pages/readiness.ts'
import { createServer } from '../server.ts'
import { version } from '../version.ts'

const second = 1000
const patience = 25 * second

/** What a signal has to close by now. */
interface Open {
  app?: FastifyInstance
  database?: OpenDatabase
  /** Connections that never carried a request, as browsers make in advance; Node takes them for busy. */
  unused: Set<Socket>
}

/** Serves until a signal. Rejects where the start fails: a wrong folder, a taken port, a database that refuses. */
export async function serve(config: Config): Promise<void> {
  const log = createLog(config.logLevel)
  for (const warning of config.warnings) log.warn(warning)
  const migrations = readMigrations()
  const readiness: Readiness = {
    schema: { expected: migrations.at(-1)?.version ?? '', found: null, ready: false },
    draining: false,
  }
  const open: Open = { unused: new Set() }
  closeOnSignal(open, readiness, log, process.stdout.isTTY ? 0 : config.drainSeconds)
  const database = await openDatabase(config.database, () => rejectUntilReady(readiness))
  const app = await createServer({ ...config, database, readiness, log, version })
  Object.assign(open, { app, database })
  app.server.on('connection', (socket) => {
    open.unused.add(socket)
    socket.once('close', () => open.unused.delete(socket))
  })
  app.server.on('request', ({ socket }) => open.unused.delete(socket))
  try {
    await listen(app, config, database.where)
    await bringUp(database, migrations, {
      mode: config.migrate,
      status: ({ found, pending }) => {
        readiness.schema = { ...readiness.schema, found, ready: pending.length === 0 }
      },
      say: (line) => log.info(line),
    })
    log.info(`Ready: the schema is at ${readiness.schema.found}`)
  } catch (error) {
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
    await app.listen({ host, port, listenTextResolver })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = {
      EADDRINUSE: `port ${port} of ${host} is taken. Stop what listens there, or set PORT to a free one`,
      EACCES: `port ${port} is not allowed to this user. Set PORT to one above 1023`,
      EADDRNOTAVAIL: `${host} is no address of this machine. Set HOST to 127.0.0.1, or 0.0.0.0 for all`,
    }[code ?? '']
    throw new Error(`Cannot listen: ${why ?? message}.`)
  }
}

/** Lets the world look elsewhere, finishes what is under way, and ends; a second signal, a second later, ends at once. */
function closeOnSignal(open: Open, readiness: Readiness, log: Log, drainSeconds: number) {
  let begun = 0
  const onSignal = async (signal: string) => {
    if (begun > 0) {
      // npm hands on the same signal that the terminal sent already
      if (Date.now() - begun > second) process.exit(1)
      return
    }
    begun = Date.now()
    readiness.draining = true
    const drain = open.app?.server.listening ? drainSeconds : 0
    log.info(`${signal}: closing${drain > 0 ? ` in ${drain} s, not ready from now on` : ''}`)
    await sleep(drain * second)
    const deadlines = [
      setTimeout(() => {
        for (const socket of open.unused) socket.destroy()
      }, second),
      setTimeout(() => {
        log.warn(`Requests still under way after ${patience / second} s are cut off`)
        open.app?.server.closeAllConnections()
      }, patience),
    ]
    await open.app?.close()
    for (const deadline of deadlines) clearTimeout(deadline)
    await open.database?.close()
    log.info('Closed')
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, onSignal)
}
