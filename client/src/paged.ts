interface Page<Item> {
  items: Item[]
  next: string | null
}

/** A list that is read page by page while it is iterated over: `for await (const item of list)`. */
export class Paged<Item, APage extends Page<Item>> implements AsyncIterable<Item> {
  readonly #read: (cursor: string | undefined) => Promise<APage>

  constructor(read: (cursor: string | undefined) => Promise<APage>) {
    this.#read = read
  }

  /** The pages themselves. Each is read when it is asked for. */
  async *pages(): AsyncGenerator<APage, undefined, undefined> {
    let cursor: string | undefined
    do {
      const page = await this.#read(cursor)
      yield page
      cursor = page.next ?? undefined
    } while (cursor !== undefined)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Item, undefined, undefined> {
    for await (const { items } of this.pages()) yield* items
  }
}
