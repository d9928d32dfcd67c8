import type { Notices } from '../database/listen.ts'
import type { Database } from '../database/tables.ts'
import { inTransaction } from '../database/transaction.ts'
import { findHousingTypes, type HousingTypeRow, lockHousingTypes } from './queries.ts'

/** The housing types: from memory while this process is notified of changes, otherwise read from Postgres each time. */
export class HousingTypes {
  readonly #db: Database
  readonly #notices: Notices
  #kept: { count: number; types: Promise<HousingTypeRow[]> } | undefined

  constructor(db: Database, notices: Notices) {
    this.#db = db
    this.#notices = notices
  }

  /** All of them, in the order of their creation. They are the same objects until something changes. */
  async all(): Promise<HousingTypeRow[]> {
    const { count } = this.#notices
    if (count === undefined) return findHousingTypes(this.#db)
    const types = await (this.#kept?.count === count ? this.#kept : this.#keep(count)).types
    // If a notice arrived while reading, the result may be older than that change.
    return this.#notices.count === count ? types : findHousingTypes(this.#db)
  }

  /** By its code. Trailing blanks do not matter, as in Postgres' comparison of the type char. */
  async byCode(code: string): Promise<HousingTypeRow | undefined> {
    const types = await this.all()
    return types.find((type) => type.code.padEnd(code.length) === code.padEnd(type.code.length))
  }

  /** Runs a change in a transaction that locks out all other writers. Reads see it once this resolves. */
  async change<T>(work: (tx: Database) => Promise<T>): Promise<T> {
    try {
      return await inTransaction(this.#db, async (tx) => {
        await lockHousingTypes(tx)
        return work(tx)
      })
    } finally {
      this.#notices.add() // after a failure too: the commit may have succeeded without an answer
    }
  }

  #keep(count: number) {
    const kept = { count, types: findHousingTypes(this.#db) }
    kept.types.catch(() => {
      if (this.#kept === kept) this.#kept = undefined
    })
    this.#kept = kept
    return kept
  }
}
