import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { OpenDatabase } from '../database/database.ts'
import type { Log } from '../log.ts'
import type { Readiness } from '../pages/readiness.ts'

const second = 1000
/** How long a stop waits for requests in progress. */
const maxWait = 25 * second

/** What is running so far; a stop closes it. */
export interface Running {
  database?: OpenDatabase
  app?: FastifyInstance
  /** Connections without a request yet. Browsers open some in advance, and Node's close() waits for them. */
  unused?: ReadonlySet<Socket>
}

/**
 * On SIGTERM or SIGINT: reports not ready for `drainSeconds`, finishes open requests and exits with 0. A second signal,
 * at least a second later, exits at once.
 */
export function stopOnSignal(running: Running, readiness: Readiness, log: Log, drainSeconds: number): void {
  let begun = 0
  const onSignal = async (signal: string) => {
    if (begun > 0) {
      // under npm a Ctrl-C arrives twice: from the terminal, and from npm
      if (Date.now() - begun > second) process.exit(1)
      return
    }
    begun = Date.now()
    readiness.draining = true
    const drain = running.app?.server.listening ? drainSeconds : 0
    log.info(`${signal}: ${drain > 0 ? `not ready from now on, closing in ${drain} s` : 'closing'}`)
    await sleep(drain * second)
    await finishRequests(running, log)
    await running.database?.close()
    log.info('Closed')
    process.exit(0)
  }
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, (signal) => void onSignal(signal))
}

async function finishRequests({ app, unused = new Set() }: Running, log: Log): Promise<void> {
  const deadlines = [
    setTimeout(() => {
      for (const socket of unused) socket.destroy()
    }, second),
    setTimeout(() => {
      log.warn(`Cutting off the requests still in progress after ${maxWait / second} s`)
      app?.server.closeAllConnections()
    }, maxWait),
  ]
  await app?.close()
  for (const deadline of deadlines) clearTimeout(deadline)
}

/** The connections of a server that have not carried a request yet. */
export function unusedConnections(server: Server): ReadonlySet<Socket> {
  const unused = new Set<Socket>()
  server.on('connection', (socket) => {
    unused.add(socket)
    socket.once('close', () => unused.delete(socket))
  })
  server.on('request', ({ socket }) => unused.delete(socket))
  return unused
}
