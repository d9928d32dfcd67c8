import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const second = 1000

/** What is known of one connection. */
interface Connection {
  /** The answer to the last request that was begun. */
  answer?: ServerResponse
  /** How many requests have arrived and wait for the answers before theirs. */
  waiting: number
  /** Whether everything that still arrives is ignored. */
  isDeaf: boolean
}

// A property costs a request less than a map does.
const known = Symbol('connection')
type KnownSocket = Socket & { [known]?: Connection }

const connectionOf = (socket: KnownSocket): Connection => {
  socket[known] ??= { waiting: 0, isDeaf: false }
  return socket[known]
}

/** The answer to the last request that was begun on this connection. */
export const lastAnswer = (socket: KnownSocket): ServerResponse | undefined => socket[known]?.answer
export const isDeaf = (socket: KnownSocket): boolean => socket[known]?.isDeaf ?? false

/** Requests that were answered by the connection before they had arrived whole, so that they never began. */
export const refused = new WeakSet<IncomingMessage>()

/**
 * Begins the requests of a connection one at a time, each after the answer before it was sent. While requests wait,
 * nothing more is read, so their number is bounded by what one read brings.
 */
export function takeTurns(server: Server): void {
  const [begin] = server.listeners('request') as [RequestListener]
  server.removeAllListeners('request').on('request', (request, response) => {
    const connection = connectionOf(request.socket)
    if (connection.isDeaf) return
    if (!response.socket) return waitForTurn(request, response) // Node hands the socket to one answer after the other
    connection.answer = response
    begin(request, response)
  })

  function waitForTurn(request: IncomingMessage, response: ServerResponse & { req: IncomingMessage }): void {
    const { socket } = request
    const connection = connectionOf(socket)
    holdBack(socket, connection)
    response.once('socket', () =>
      setImmediate(() => {
        connection.waiting -= 1
        if (connection.isDeaf || socket.destroyed) return
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

/** From now on nothing that arrives, or has arrived already, becomes a request. */
export function deafen(socket: Socket): void {
  const connection = connectionOf(socket)
  connection.isDeaf = true
  connection.waiting = 0
  // Without Node's own listener the parser gets no more bytes. They are still read: the client would otherwise see a
  // reset instead of the answer.
  socket
    .removeAllListeners('data')
    .on('data', () => {})
    .resume()
}

/**
 * Cuts off clients that do not read their answers: those to whom nothing could be sent for this time. A timeout on
 * every connection would cost each request; so only those that were seen waiting get one.
 */
export function cutOffUnread(server: Server, limit = 30 * second): void {
  const open = new Set<Socket>()
  server.on('connection', (socket) => {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  const look = setInterval(() => {
    for (const socket of open) if (socket.writableLength > 0 && socket.timeout !== limit) socket.setTimeout(limit)
  }, limit / 6).unref()
  server.once('close', () => clearInterval(look))
}
