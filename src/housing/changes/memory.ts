import { type Entry, type FeedQuery, nextAfter, type Page, passes } from './queries.ts'

/** How many changes are kept. */
export const maxRecent = 1000

/** How many pages of them are kept. */
const maxPages = 20

/** The last changes: all from one position to another. */
export class RecentChanges {
  #entries: Entry[] = []
  #range: { after: number; until: number } | undefined
  /** Answers since the last addition: most of those who listen ask for the same. */
  readonly #pages = new Map<string, Page>()

  /** The last position that is known; undefined if none is. */
  get until(): number | undefined {
    return this.#range?.until
  }

  /** The changes after a position; undefined if not all of them are here. */
  find(query: FeedQuery): Page | undefined {
    const key = JSON.stringify(query)
    const known = this.#pages.get(key)
    if (known) return known
    const page = this.#search(query)
    if (this.#pages.size === maxPages) this.#pages.clear()
    if (page) this.#pages.set(key, page)
    return page
  }

  /** Adds the page that begins at the last position. */
  add({ entries, next }: Page): void {
    if (!this.#range || next === this.#range.until) return
    const dropped = [...this.#entries, ...entries]
    this.#entries = dropped.splice(-maxRecent)
    this.#range = { after: dropped.at(-1)?.change.position ?? this.#range.after, until: next }
    this.#pages.clear()
  }

  /** Forgets all changes. Those that are added next follow this position. */
  begin(position: number): void {
    this.forget()
    this.#range = { after: position, until: position }
  }

  forget(): void {
    this.#range = undefined
    this.#entries = []
    this.#pages.clear()
  }

  #search({ after, limit, filters }: FeedQuery): Page | undefined {
    if (!this.#range || after < this.#range.after || after > this.#range.until) return undefined
    const first = this.#entries.findLastIndex(({ change }) => change.position <= after) + 1
    // Between two positions there may be one that another feed gave: the database knows that this one did not.
    if ((this.#entries[first - 1]?.change.position ?? this.#range.after) !== after) return undefined
    const entries: Entry[] = []
    for (let i = first; i < this.#entries.length && entries.length < limit; i++) {
      const entry = this.#entries[i] as Entry
      if (passes(entry, filters)) entries.push(entry)
    }
    return { entries, next: nextAfter(entries, limit, this.#range.until), isKnown: true }
  }
}
