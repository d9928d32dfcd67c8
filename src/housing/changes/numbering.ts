import type { Database } from '../../database/tables.ts'
import { numberChanges } from './queries.ts'

/** How many changes get positions at once: usually, and at least. */
const [mostAtATime, fewestAtATime] = [50_000, 1000]

/** Gives positions to new changes: to fewer at a time after a failure, as it may have taken too long. */
export class Numbering {
  #atATime = mostAtATime

  async run(db: Database): Promise<void> {
    try {
      await numberChanges(db, this.#atATime)
      this.#atATime = Math.min(mostAtATime, 2 * this.#atATime)
    } catch (error) {
      this.#atATime = Math.max(fewestAtATime, this.#atATime / 5)
      throw error
    }
  }
}
