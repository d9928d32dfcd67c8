import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/**
 * A proxy that can hang: connections stay open and new ones are accepted, but nothing gets through. It can also hold
 * back only the answer to one word.
 */
export async function startProxy(port: number) {
  const sockets = new Set<Socket>()
  let hanging = false
  let unanswered: string | undefined
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1')
    client.on('data', (sent) => {
      if (unanswered !== undefined && sent.includes(unanswered)) target.pause()
    })
    client.pipe(target).pipe(client)
    for (const socket of [client, target]) {
      sockets.add(socket)
      if (hanging) socket.pause()
      socket.on('error', () => {})
      socket.on('close', () => {
        sockets.delete(socket)
        client.destroy()
        target.destroy()
      })
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as { port: number }).port,
    hang(on: boolean) {
      hanging = on
      for (const socket of sockets) on ? socket.pause() : socket.resume()
    },
    /** A connection that sends this word gets no more answers. */
    keepAnswersTo(word: string) {
      unanswered = word
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
