import type { OpenDatabase } from '../database/database.ts'
import { deadlineOf, endingBy } from '../database/deadline.ts'
import type { Notices } from '../database/listen.ts'
import { Memory } from '../database/memory.ts'
import type { Database } from '../database/tables.ts'
import { inTransaction } from '../database/transaction.ts'
import { findHousingTypes, type HousingTypeRow, lockHousingTypes } from './queries.ts'

type Connections = Pick<OpenDatabase, 'db' | 'beside'>

/** The housing types: from memory while this process is notified of changes, otherwise read from Postgres each time. */
export class HousingTypes {
  readonly #database: Connections
  readonly #memory: Memory<HousingTypeRow[]>

  constructor(database: Connections, notices: Notices) {
    this.#database = database
    this.#memory = new Memory(notices, () => findHousingTypes(database.beside))
  }

  /** All of them, in the order of their creation. They are the same objects until something changes. */
  async all(): Promise<HousingTypeRow[]> {
    const { beside } = this.#database
    const until = deadlineOf(beside)
    return (await this.#memory.recall()) ?? findHousingTypes(endingBy(beside, until))
  }

  /** By its code. Trailing blanks do not matter, as in Postgres' comparison of the type char. */
  async byCode(code: string): Promise<HousingTypeRow | undefined> {
    const types = await this.all()
    return types.find((type) => type.code.padEnd(code.length) === code.padEnd(type.code.length))
  }

  /** Runs a change in a transaction that locks out all other writers. Reads see it once this resolves. */
  change<T>(work: (tx: Database) => Promise<T>): Promise<T> {
    return this.#memory.change(() =>
      inTransaction(this.#database.db, async (tx) => {
        await lockHousingTypes(tx)
        return work(tx)
      }),
    )
  }
}
