// A load generator for overload. It is an open loop: each request is sent at its scheduled time, whether those before it are
// answered or not, and its latency counts from that time, so a server that stops answering shows in every later request.
// (A closed loop, such as autocannon's, waits for answers: it slows down with the server, and cannot overload it.)
//
// It runs in a process of its own, on a machine that it shares with the server, so it must cost little: every millisecond
// it writes the requests that are due, each to a keep-alive connection that has none under way. It begins with a hundred
// connections; where all are busy, it opens another one. Answers are not parsed beyond status, Retry-After and length.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

export interface Load {
  port: number
  /** Requests a second. */
  rate: number
  seconds: number
  /** Whole requests as they are sent, in turns. */
  requests: string[]
  /** How long to wait for the last answers, in seconds. */
  patience?: number
}

export interface Sent {
  /** The number of the request. */
  request: number
  /** Milliseconds from the begin of the load. */
  scheduled: number
  started: number
  /** Undefined if no answer came, or the connection broke. */
  answered?: number
  status?: number
  saysWhen?: boolean
}

/** Sends a load and resolves with what became of each request, in the order in which they were scheduled. */
export async function sendLoad({ port, rate, seconds, requests, patience = 15 }: Load): Promise<Sent[]> {
  const sent: Sent[] = []
  const sockets = new Set<Socket>()
  const idle: Connection[] = []
  let underWay = 0
  let settled = () => {}
  for (let n = 0; n < 100; n++) idle.push(new Connection(port, sockets))
  await Promise.all(idle.map(({ open }) => open))

  // The server closes a connection that has sent nothing for ten seconds: nothing is sent over that.
  const nextIdle = () => {
    let connection = idle.pop()
    while (connection?.isClosed) connection = idle.pop()
    return connection
  }

  const begun = performance.now()
  const now = () => performance.now() - begun

  const total = Math.round(rate * seconds)
  while (sent.length < total) {
    for (const due = Math.min(total, Math.ceil((now() * rate) / 1000)); sent.length < due; ) {
      const request = sent.length % requests.length
      const each: Sent = { request, scheduled: (sent.length * 1000) / rate, started: now() }
      sent.push(each)
      underWay += 1
      const connection = nextIdle() ?? new Connection(port, sockets)
      connection.send(requests[request] as string, (answer) => {
        if (answer) {
          Object.assign(each, answer, { answered: now() })
          idle.push(connection)
        }
        underWay -= 1
        if (underWay === 0) settled()
      })
    }
    await sleep(1)
  }
  if (underWay > 0) {
    const late = setTimeout(() => settled(), patience * 1000)
    await new Promise<void>((resolve) => (settled = resolve))
    clearTimeout(late)
  }
  for (const socket of sockets) socket.destroy()
  return sent
}

interface Answer {
  status: number
  saysWhen: boolean
}

/** A connection with one request under way at most. */
class Connection {
  readonly #socket: Socket
  /** Resolves once it is open, or failed. */
  readonly open: Promise<unknown>
  #received = ''
  #settle: (answer?: Answer) => void = () => {}

  constructor(port: number, sockets: Set<Socket>) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true }).setEncoding('latin1')
    this.open = once(this.#socket, 'connect').catch(() => {})
    sockets.add(this.#socket)
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      sockets.delete(this.#socket)
      this.#done(undefined)
    })
    this.#socket.on('data', (chunk: unknown) => {
      this.#received += chunk
      const answer = read(this.#received)
      if (answer) this.#done(answer)
    })
  }

  get isClosed() {
    return this.#socket.destroyed
  }

  send(bytes: string, settle: (answer?: Answer) => void): void {
    this.#settle = settle
    if (this.#socket.destroyed) this.#done(undefined)
    else this.#socket.write(bytes)
  }

  #done(answer: Answer | undefined): void {
    const settle = this.#settle
    this.#received = ''
    this.#settle = () => {}
    settle(answer)
  }
}

/** The answer, once all of it is there. */
function read(received: string): Answer | undefined {
  const end = received.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = received.slice(0, end).toLowerCase()
  const length = Number(/\r\ncontent-length: (\d+)/.exec(head)?.[1] ?? 0)
  if (received.length < end + 4 + length) return undefined
  return { status: Number(head.slice(9, 12)), saysWhen: head.includes('\r\nretry-after: ') }
}

// As a process of its own it gets one load after the other, and answers each with what became of it.
if (process.send && process.env.GENERATOR) {
  process.on('message', async (load: Load) => process.send?.(await sendLoad(load)))
  await once(process, 'disconnect')
}
