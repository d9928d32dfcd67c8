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

/** What has been started so far, and a stop has to close. */
export interface Running {
  database?: OpenDatabase
  app?: FastifyInstance
  /** Connections that never carried a request, as browsers open them in advance. Node counts them as busy. */
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
      // npm passes on the signal that the terminal has sent to us as well
      if (Date.now() - begun > second) process.exit(1)
      return
    }
    begun = Date.now()
    readiness.draining = true
    const drain = running.app?.server.listening ? drainSeconds : 0
    log.info(`${signal}: closing${drain > 0 ? ` in ${drain} s, not ready from now on` : ''}`)
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
      log.warn(`Requests still in progress after ${maxWait / second} s are cut off`)
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
