import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { gauge } from '../metrics.ts'

const second = 1000

/** What is known of one connection. */
interface Connection {
  /** The answer to the last request that was begun. */
  answer?: ServerResponse
  /** How many pipelined requests have arrived and wait for the answers to those before them. */
  waiting: number
  /** Whether everything that still arrives is discarded. */
  ignoresInput: boolean
}

// A property of the socket is faster to look up than an entry of a map.
const known = Symbol('connection')
type KnownSocket = Socket & { [known]?: Connection }

const connectionOf = (socket: KnownSocket): Connection => {
  socket[known] ??= { waiting: 0, ignoresInput: false }
  return socket[known]
}

/** The answer to the last request that was begun on this connection. */
export const lastAnswer = (socket: KnownSocket): ServerResponse | undefined => socket[known]?.answer
export const ignoresInput = (socket: KnownSocket): boolean => socket[known]?.ignoresInput ?? false

/** Requests that were rejected before their body had arrived, so their handlers never run. */
export const refused = new WeakSet<IncomingMessage>()

/** Requests whose bodies may take as long as they keep arriving. */
export const unhurried = new WeakSet<IncomingMessage>()

/**
 * Begins the requests of a connection one at a time, each once the previous answer has been sent. While requests wait,
 * nothing more is read, so their number is bounded by what one read brings.
 */
export function queuePipelined(server: Server): void {
  const [begin] = server.listeners('request') as [RequestListener]
  server.removeAllListeners('request').on('request', (request, response) => {
    const connection = connectionOf(request.socket)
    if (connection.ignoresInput) return
    if (!response.socket) return enqueue(request, response) // Node hands the socket to one answer after the other
    connection.answer = response
    begin(request, response)
  })

  function enqueue(request: IncomingMessage, response: ServerResponse & { req: IncomingMessage }): void {
    const { socket } = request
    const connection = connectionOf(socket)
    holdBack(socket, connection)
    response.once('socket', () =>
      setImmediate(() => {
        connection.waiting -= 1
        if (connection.ignoresInput || socket.destroyed) return
        if (connection.waiting === 0) socket.resume()
        connection.answer = response
        begin(request, response)
      }),
    )
  }
}

function holdBack(socket: Socket, connection: Connection): void {
  connection.waiting += 1
  if (connection.waiting > 1) return
  socket.pause()
  const pauseAgain = () => void (connection.waiting > 0 ? socket.pause() : socket.off('resume', pauseAgain))
  socket.on('resume', pauseAgain) // Node resumes it after each answer
}

/** Discards everything that arrives from now on, and the requests that still wait. */
export function ignoreInput(socket: Socket): void {
  const connection = connectionOf(socket)
  connection.ignoresInput = true
  connection.waiting = 0
  // Without Node's own listener the parser gets no more bytes. They are still read: the client would otherwise see a
  // reset instead of the answer.
  socket
    .removeAllListeners('data')
    .on('data', () => {})
    .resume()
}

/**
 * Cuts off clients that do not read their answers: those to whom nothing could be sent for `limit` milliseconds. A
 * timeout on every connection would slow down each request, so only connections with unsent bytes get one. Returns the
 * open connections.
 */
export function cutOffUnread(server: Server, limit = 30 * second): ReadonlySet<Socket> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  const timer = setInterval(() => {
    for (const socket of open) if (socket.writableLength > 0 && socket.timeout !== limit) socket.setTimeout(limit)
  }, limit / 6).unref()
  server.once('close', () => clearInterval(timer))
  return open
}

const connectionCount = gauge('sample_api_connections', 'Open connections of clients.')
const active = gauge('http_server_active_requests', 'Requests that have begun and are not answered yet.')

/** Counts connections and requests in progress when somebody asks, so that no request pays for it. */
export function measureConnections(app: FastifyInstance, open: ReadonlySet<Socket>): void {
  const isBusy = (socket: Socket) => lastAnswer(socket)?.writableFinished === false
  const ends = [connectionCount.from(() => [[open.size]]), active.from(() => [[[...open].filter(isBusy).length]])]
  app.addHook('onClose', async () => {
    for (const end of ends) end()
  })
}
