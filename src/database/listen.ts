import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { reason } from './errors.ts'

const second = 1000

/** The notices of one channel of Postgres' NOTIFY, counted. */
export class Notices {
  #count = 0
  #completeUntil = 0

  /**
   * The number of notices so far. While it is unchanged, nothing had changed up to a second ago. Undefined while
   * notices may be missing.
   */
  get count(): number | undefined {
    return performance.now() < this.#completeUntil ? this.#count : undefined
  }

  /** Counts a change: one that was notified, or that this process made itself. */
  add(): void {
    this.#count += 1
  }

  /** Guarantees until then, a time of `performance.now()`, that no notice is missing from the count. */
  complete(until: number): void {
    this.#completeUntil = until
  }
}

interface Channel {
  name: string
  /** A new connection, to listen on. */
  connect: () => pg.Client
  /** Sends a notice over any other connection. */
  notify: (payload: string) => Promise<unknown>
  /** Receives a line for the log when the listening begins and ends. */
  report: (line: string) => void
}

/** LISTEN succeeds but no notice arrives: behind a pooler that gives each transaction another connection. */
class NoticesDoNotArrive extends Error {}

/** Listens over a connection of its own, and over a new one when that is lost, until `stop`. */
export class Listener {
  readonly notices = new Notices()
  readonly #channel: Channel
  #client: pg.Client | undefined
  #reported = ''
  #stopped = false

  constructor(channel: Channel) {
    this.#channel = channel
    void this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.race([this.#client?.end(), sleep(second)]) // a server that is gone never answers
  }

  async #run(): Promise<void> {
    const { name, connect } = this.#channel
    for (let attempt = 1; !this.#stopped; attempt++) {
      const client = connect()
      this.#client = client
      let loss: Error | undefined
      client.on('error', (error) => {
        loss = error // it says more than the rejection that follows
      })
      try {
        await this.#begin(client)
        attempt = 0
        this.#report(`Listening for changes to ${name}; answering from memory`)
        await this.#stayListening(client)
      } catch (error) {
        if (attempt === 0 || error instanceof NoticesDoNotArrive)
          this.#report(
            `Not listening for changes to ${name}; reading the database for each answer: ${reason(loss ?? error)}`,
          )
        void client.end().catch(() => {})
        const wait = error instanceof NoticesDoNotArrive ? 30 * second : Math.min(second, 50 * 2 ** attempt)
        await sleep(wait * (0.5 + Math.random() / 2), undefined, { ref: false })
      }
    }
  }

  /** Resolves once a notice that was sent over another connection has arrived. */
  async #begin(client: pg.Client): Promise<void> {
    const { name, notify } = this.#channel
    const test = randomUUID()
    const arrived = new Promise<boolean>((resolve) => {
      client.on('notification', ({ payload }) => {
        this.notices.add()
        if (payload === test) resolve(true)
      })
      client.on('end', () => {
        this.notices.complete(0)
        resolve(true)
      })
    })
    await client.connect()
    await client.query(`listen ${name}`)
    await notify(test) // counts too: it invalidates what was read before we listened
    if (!(await Promise.race([arrived, sleep(5 * second, false, { ref: false })])))
      throw new NoticesDoNotArrive(
        'notifications do not arrive; a transaction pooler between here and Postgres may drop them',
      )
  }

  /** Guarantees the count while the connection answers. It asks again and again, as a connection may die silently. */
  async #stayListening(client: pg.Client): Promise<never> {
    for (;;) {
      const asked = performance.now()
      await client.query('select 1') // the answer comes after all notices of what was committed before
      this.notices.complete(asked + second)
      await sleep(0.4 * second, undefined, { ref: false })
    }
  }

  #report(line: string): void {
    if (line !== this.#reported && !this.#stopped) this.#channel.report(line)
    this.#reported = line
  }
}
