import type { Notices } from './listen.ts'

interface Kept<T> {
  /** Of the notices that had arrived when reading began. */
  count: number
  value: Promise<T>
  atHand?: T
}

/** What was read from the database, kept for as long as LISTEN guarantees that nothing has changed. */
export class Memory<T> {
  readonly #notices: Notices
  readonly #read: () => Promise<T>
  #kept: Kept<T> | undefined

  /** `notices` counts the changes of what `read` reads. */
  constructor(notices: Notices, read: () => Promise<T>) {
    this.#notices = notices
    this.#read = read
  }

  /**
   * The value, which is the same object until something changes; it is read if it is not kept. Undefined where only the
   * database knows it: nothing guarantees that notices arrive, or one arrived while reading.
   */
  async recall(): Promise<T | undefined> {
    const { count } = this.#notices
    if (count === undefined) return undefined
    const value = await (this.#kept?.count === count ? this.#kept : this.#keep(count)).value
    return this.#notices.count === count ? value : undefined
  }

  /** What `recall` would resolve to, where it is kept already: asking for it costs no promise. */
  get atHand(): T | undefined {
    const { count } = this.#notices
    return count !== undefined && this.#kept?.count === count ? this.#kept.atHand : undefined
  }

  /** Runs a change that this process makes itself. It counts in the next `recall` once this resolves. */
  async change<R>(work: () => Promise<R>): Promise<R> {
    try {
      return await work()
    } finally {
      this.#notices.add() // after a failure too: the commit may have succeeded without an answer
    }
  }

  #keep(count: number) {
    const kept: Kept<T> = { count, value: this.#read() }
    kept.value.then(
      (value) => {
        kept.atHand = value
      },
      () => {
        if (this.#kept === kept) this.#kept = undefined
      },
    )
    this.#kept = kept
    return kept
  }
}
