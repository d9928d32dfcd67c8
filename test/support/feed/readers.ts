import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Dice } from '../dice.ts'
import type { Change, Round } from './round.ts'

export const kinds = ['pages', 'long poll', 'events'] as const

/** Follows the feed from its beginning to its end, from one API or the other, and is interrupted now and then. */
export class Reader {
  readonly name: string
  resumptions = 0
  /** How many changes it got. */
  seen = 0
  #position = 0
  readonly #positions = new Set<number>()
  readonly #versions = new Map<number, number>()
  readonly #round: Round
  readonly #dice: Dice
  readonly #request: () => Promise<void>

  constructor(round: Round, kind: (typeof kinds)[number], number: number) {
    this.name = `${kind} ${number}`
    this.#round = round
    this.#dice = new Dice(`${round.seed} ${this.name}`)
    this.#request = {
      pages: () => this.#readPage(0),
      'long poll': () => this.#readPage(this.#dice.between(1, 30)),
      events: () => this.#readEvents(),
    }[kind]
  }

  /** Reads until it has all changes and there are no more, or until the round ends the readers. */
  async read(): Promise<void> {
    const { end } = this.#round
    for (let isAtEnd = false; !isAtEnd && !end.signal.aborted; ) {
      const hasAll = this.seen >= this.#round.total
      try {
        await (hasAll ? this.#readPage(0) : this.#request())
        isAtEnd = hasAll
      } catch {
        this.resumptions++
        await sleep(this.#dice.between(1, 50))
      }
      if (this.#dice.chance(0.05)) await sleep(this.#dice.between(1, 1000)) // falls behind
    }
  }

  /** The positions that others have got and this reader has not. */
  missing = () => [...this.#round.told.keys()].filter((position) => !this.#positions.has(position))

  #url = (more = '') => `${this.#dice.pick(this.#round.apis)}/api/v2/housing/changes?after=${this.#position}${more}`

  /** Aborted after a while, at random. */
  #interruption(): AbortSignal {
    const after = this.#dice.chance(0.2) ? this.#dice.between(1, 50) : this.#dice.between(200, 10_000)
    return AbortSignal.any([this.#round.end.signal, AbortSignal.timeout(after)])
  }

  async #readPage(wait: number): Promise<void> {
    const url = this.#url(`&limit=${this.#dice.between(1, 1000)}${wait > 0 ? `&wait=${wait}` : ''}`)
    const answer = await fetch(url, { signal: this.#interruption() })
    const page = (await answer.json()) as { items: Change[]; next: number }
    if (!this.#isGood(answer.status, page)) throw new Error('unavailable')
    for (const change of page.items) this.#accept(change)
    if (this.#dice.chance(0.5)) this.#moveTo(page.next)
  }

  async #readEvents(): Promise<void> {
    const signal = this.#interruption()
    const headers = { accept: 'text/event-stream', 'last-event-id': String(this.#position) }
    const request = get(this.#url(), { headers, signal, agent: false })
    const [answer] = (await once(request, 'response')) as [IncomingMessage]
    request.on('error', () => {}) // the answer has it too
    let text = ''
    for await (const chunk of answer.setEncoding('utf8')) {
      text += chunk
      if (answer.statusCode !== 200) continue
      const events = text.split('\n\n')
      text = events.pop() as string // what has not arrived completely
      for (const event of events) this.#acceptEvent(event)
      if (this.seen >= this.#round.total) return
    }
    if (!this.#isGood(answer.statusCode, text)) throw new Error('unavailable')
    this.resumptions++ // it ended in peace
  }

  #acceptEvent(event: string): void {
    const fields = Object.fromEntries(event.split('\n').map((line) => line.split(/: (.*)/s)))
    if (fields.event === 'change') {
      const change = JSON.parse(fields.data)
      if (fields.id !== String(change.position)) this.#report(`the event ${fields.id} has ${fields.data}`)
      this.#accept(change)
    }
    if (fields.id) this.#moveTo(Number(fields.id))
  }

  #moveTo(position: number): void {
    if (position < this.#position) this.#report(`it was sent back from ${this.#position} to ${position}`)
    this.#position = position
  }

  #accept(change: Change): void {
    const { position, id, version } = change
    const { told } = this.#round
    const first = told.get(position) ?? change
    const expected = (this.#versions.get(id) ?? 0) + 1
    if (position <= this.#position) this.#report(`position ${position} came after ${this.#position}`)
    if (version !== expected) this.#report(`house ${id}: version ${version} came instead of ${expected}`)
    if (!isDeepStrictEqual(first, change))
      this.#report(`${JSON.stringify(change)} came to another as ${JSON.stringify(first)}`)
    told.set(position, first)
    this.#position = position
    this.#positions.add(position)
    this.#versions.set(id, version)
    this.seen++
  }

  #isGood(status: number | undefined, body: unknown): boolean {
    if (status !== 200 && status !== 503) this.#report(`after ${this.#position}: ${status} ${JSON.stringify(body)}`)
    return status === 200
  }

  #report(what: string): void {
    this.#round.differences.push(`${this.name}: ${what}`)
  }
}
