import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Transform } from 'node:stream'

/**
 * A proxy that can hang: connections stay open and new ones are accepted, but nothing gets through. It can also cut all
 * connections, be slow, hold back only the answer to one word, and make the errors of Postgres more severe.
 */
export async function startProxy(port: number) {
  const sockets = new Set<Socket>()
  let hanging = false
  let unanswered: string | undefined
  let delay = 0
  let panics = false
  /** What passes waits as long as the delay is then. */
  const slowly = () =>
    new Transform({
      transform(chunk, _encoding, done) {
        if (delay === 0) done(null, chunk)
        else setTimeout(done, delay, null, chunk)
      },
    })
  const severely = () =>
    new Transform({
      transform(chunk: Buffer, _encoding, done) {
        const text = panics && chunk.toString('latin1').replace('SERROR\0VERROR\0', 'SPANIC\0VPANIC\0')
        done(null, text ? Buffer.from(text, 'latin1') : chunk)
      },
    })
  const server = createServer((client) => {
    const target = connect(port, '127.0.0.1')
    client.on('data', (sent) => {
      if (unanswered !== undefined && sent.includes(unanswered)) target.pause()
    })
    client.pipe(slowly()).pipe(target).pipe(severely()).pipe(slowly()).pipe(client)
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
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
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
    /** Every error of Postgres is a PANIC, with which it would end itself. */
    panic(on: boolean) {
      panics = on
    },
    /** From now on everything arrives so many milliseconds later. */
    delay(milliseconds: number) {
      delay = milliseconds
    },
    /** Ends all connections; new ones are accepted. */
    cut,
    close() {
      cut()
      server.close()
    },
  }
}
