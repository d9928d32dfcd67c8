/** What `work` returns; undefined where the browser forbids it. */
export function allowed<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}

/** What the browser stores of this page. Where it does not, the page has it in memory, until it is loaded again. */
class Stored {
  readonly #storage: () => Storage
  readonly #memory = new Map<string, string>()

  /** `storage` may throw: a browser that blocks cookies forbids this too. */
  constructor(storage: () => Storage) {
    this.#storage = storage
  }

  get(name: string): string | undefined {
    return this.#memory.get(name) ?? allowed(() => this.#storage().getItem(name)) ?? undefined
  }

  set(name: string, value: string): void {
    this.#memory.set(name, value)
    allowed(() => this.#storage().setItem(name, value))
  }

  remove(name: string): void {
    this.#memory.delete(name)
    allowed(() => this.#storage().removeItem(name))
  }
}

/** For this tab, until it is closed. */
export const ofTab = new Stored(() => sessionStorage)

/** For all tabs, now and later. */
export const ofBrowser = new Stored(() => localStorage)
