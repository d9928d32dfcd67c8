import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { reason } from './errors.ts'

const second = 1000

/** What is heard on one channel of Postgres' NOTIFY. */
export class Notices {
  #count = 0
  #completeUntil = 0

  /**
   * How many there were. For as long as it stays the same nothing has changed, up to a second ago; undefined while
   * changes may go unheard.
   */
  get count(): number | undefined {
    return performance.now() < this.#completeUntil ? this.#count : undefined
  }

  /** Counts a change: one that was heard, or that this process made itself. */
  add(): void {
    this.#count += 1
  }

  /** Vouches for the count until then, a time of `performance.now()`. */
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
  /** Tells when the listening begins and ends. */
  say: (line: string) => void
}

/** It listens but hears nothing: behind a pooler that gives each transaction another connection. */
class Deaf extends Error {}

/** Listens over a connection of its own, and over a new one when that is lost, until it is stopped. */
export class Listener {
  readonly notices = new Notices()
  readonly #channel: Channel
  #client: pg.Client | undefined
  #said = ''
  #stopped = false

  constructor(channel: Channel) {
    this.#channel = channel
    void this.#run()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.race([this.#client?.end(), sleep(second)]) // a server that is gone would never answer
  }

  async #run(): Promise<void> {
    const { name, connect } = this.#channel
    for (let attempt = 1; !this.#stopped; attempt++) {
      const client = connect()
      this.#client = client
      let lost: Error | undefined
      client.on('error', (error) => {
        lost = error // which says more than the rejection that follows
      })
      try {
        await this.#begin(client)
        attempt = 0
        this.#say(`Hears of changes to ${name}, and answers them from memory`)
        await this.#goOn(client)
      } catch (error) {
        if (attempt === 0 || error instanceof Deaf)
          this.#say(`Hears of no changes to ${name}, and reads them for each answer: ${reason(lost ?? error)}`)
        void client.end().catch(() => {})
        const wait = error instanceof Deaf ? 30 * second : Math.min(second, 50 * 2 ** attempt)
        await sleep(wait * (0.5 + Math.random() / 2), undefined, { ref: false })
      }
    }
  }

  /** Resolves once the connection has heard a notice that came over another one. */
  async #begin(client: pg.Client): Promise<void> {
    const { name, notify } = this.#channel
    const test = randomUUID()
    const heard = new Promise<boolean>((resolve) => {
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
    await notify(test) // counted when it is heard, as something may have changed before
    if (!(await Promise.race([heard, sleep(5 * second, false, { ref: false })])))
      throw new Deaf('notices do not arrive, as behind a pooler that shares connections between transactions')
  }

  /** Vouches for the count for as long as the connection lives, which it asks all the time: it may die silently. */
  async #goOn(client: pg.Client): Promise<never> {
    for (;;) {
      const asked = performance.now()
      await client.query('select 1') // the answer comes after all notices of what was committed before
      this.notices.complete(asked + second)
      await sleep(0.4 * second, undefined, { ref: false })
    }
  }

  #say(line: string): void {
    if (line !== this.#said && !this.#stopped) this.#channel.say(line)
    this.#said = line
  }
}
