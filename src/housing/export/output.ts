import type { Row } from '../../database/copy.ts'

const dayMillis = 86_400_000
const timeLength = '2026-11-23T08:00:00.000Z'.length

/**
 * Bytes that are written one after another and sent in large chunks. Strings would take three times as long. Whoever
 * writes more than the {@link room} asks for it before.
 */
export class Output {
  #bytes = Buffer.allocUnsafe(262_144)
  length = 0
  /** The last time that was written, and where. Many houses were stored by one transaction, so the next is often the same. */
  #lastTime = Number.NaN
  #lastTimeAt = 0

  /** Makes sure that this many more bytes can be written. */
  room(more: number): void {
    const needed = this.length + more
    if (needed > this.#bytes.length) this.#bytes = Buffer.concat([this.#bytes.subarray(0, this.length)], 2 * needed)
  }

  /** Everything so far, which is then forgotten. */
  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.length))
    this.length = 0
    this.#lastTime = Number.NaN
    return taken
  }

  /** Writes text with one byte for each character. */
  latin1(text: string): void {
    const bytes = this.#bytes
    let at = this.length
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    this.length = at
  }

  /** Copies the text of a column if none of its bytes is special; answers whether it did. */
  copy(row: Row, column: number, isSpecial: Uint8Array): boolean {
    const bytes = this.#bytes
    const end = row.ends[column] as number
    let at = this.length
    for (let i = row.starts[column] as number; i < end; i++) {
      const byte = row.bytes[i] as number
      if (isSpecial[byte] === 1) return false
      bytes[at++] = byte
    }
    this.length = at
    return true
  }

  /** Writes a time, given in milliseconds since 1970, as RFC 3339 has it. (Date.toISOString takes three times as long.) */
  time(millis: number): void {
    const begin = this.length
    if (millis === this.#lastTime) {
      this.#bytes.copyWithin(begin, this.#lastTimeAt, this.#lastTimeAt + timeLength)
      this.length += timeLength
    } else this.#format(millis)
    this.#lastTime = millis
    this.#lastTimeAt = begin
  }

  #format(millis: number): void {
    const day = Math.floor(millis / dayMillis)
    const rest = millis - day * dayMillis
    this.latin1(dateOf(day))
    this.#digits(2, rest / 3_600_000)
    this.latin1(':')
    this.#digits(2, (rest / 60_000) % 60)
    this.latin1(':')
    this.#digits(2, (rest / 1000) % 60)
    this.latin1('.')
    this.#digits(3, rest % 1000)
    this.latin1('Z')
  }

  #digits(count: number, value: number): void {
    let rest = Math.floor(value)
    for (let i = this.length + count - 1; i >= this.length; i--) {
      this.#bytes[i] = 48 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
    this.length += count
  }
}

/** The dates of days since 1970, each with a T behind. */
const dates = new Map<number, string>()

function dateOf(day: number): string {
  const known = dates.get(day)
  if (known !== undefined) return known
  if (dates.size === 10_000) dates.clear()
  const date = new Date(day * dayMillis).toISOString().slice(0, 11)
  dates.set(day, date)
  return date
}
