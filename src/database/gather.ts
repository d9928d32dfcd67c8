import { histogram } from '../metrics.ts'
import { currentWork } from '../tracing.ts'
import { deadlineOf, endingBy } from './deadline.ts'
import { isSqlError, isStuck, Overloaded } from './errors.ts'
import { originOf } from './origin.ts'
import type { Database } from './tables.ts'

/** How many batches of one query may run at once, whoever asks. Meanwhile the next batch fills. */
const maxLanes = 2
/** How many may wait: about as many as are answered in a second. */
const maxWaiting = 10_000

const batchSize = histogram(
  'sample_api_gathered_batch_size',
  'How many questions shared a statement.',
  [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
).of()

interface Batching {
  /** After how long a question is no longer sent, in milliseconds, so that its statement still has some of the deadline. */
  longestWait: number
}

/** How the databases batch that do. Copies of one take turns, but are never in one batch. */
const batchings = new WeakMap<Database, Batching>()

/** Turns batching on for this database; queries in its transactions still run alone. */
export const gatherFor = (db: Database, batching: Batching): unknown => batchings.set(db, batching)

interface Gathered<Key, Value> {
  /** Answers one. */
  alone: (db: Database, key: Key) => Promise<Value>
  /** Answers several by one statement, in their order. */
  together: (db: Database, keys: Key[]) => Promise<Value[]>
  /** How many keys go out together at most. */
  maxBatch: number
}

/**
 * Batches a query: all keys asked in one turn of the event loop share one statement, because a statement costs Postgres
 * more than a row. No key joins a batch that was already sent, so each answer is as fresh as if asked alone.
 */
export function gathered<Key, Value>({ alone, together, maxBatch }: Gathered<Key, Value>) {
  const queues = new WeakMap<Database, (key: Key) => Promise<Value>>()
  const lanesOf = new WeakMap<Batching, Lanes>()
  return (db: Database, key: Key): Promise<Value> => {
    const ask = queues.get(db) ?? begin(db)
    return ask ? ask(key) : alone(db, key)
  }

  function begin(db: Database): ((key: Key) => Promise<Value>) | undefined {
    const batching = batchings.get(originOf(db))
    if (!batching) return undefined
    const lanes = lanesOf.get(batching) ?? new Lanes()
    lanesOf.set(batching, lanes)
    const ask = queue({
      lanes,
      maxBatch,
      ...batching,
      answerAll: (keys: Key[], since) => answerAll(endingBy(db, deadlineOf(db, since)), keys),
    })
    queues.set(db, ask)
    return ask
  }

  /** Where Postgres rejects a batch, perhaps because of one key, each is asked alone. */
  async function answerAll(db: Database, keys: Key[]): Promise<PromiseSettledResult<Value>[]> {
    try {
      return (await together(db, keys)).map((value) => ({ status: 'fulfilled', value }))
    } catch (error) {
      if (!isSqlError(error) || isStuck(error)) throw error
      return Promise.allSettled(keys.map((key) => alone(db, key)))
    }
  }
}

interface GatheredWrite<Item, Row> {
  alone: (db: Database, item: Item) => Promise<Row>
  /** Stores several; answers the stored rows, each with the number `n` of its item, from 1. */
  together: (db: Database, items: Item[]) => Promise<(Row & { n: number })[]>
  maxBatch: number
}

/** A gathered write. An item that `together` left out is written alone, so that Postgres rejects it by itself. */
export function gatheredWrite<Item, Row extends object>({ alone, together, maxBatch }: GatheredWrite<Item, Row>) {
  const write = gathered<Item, Row | undefined>({
    maxBatch,
    alone,
    async together(db, items) {
      const stored: (Row | undefined)[] = items.map(() => undefined)
      for (const { n, ...row } of await together(db, items)) stored[n - 1] = row as unknown as Row
      return stored
    },
  })
  return async (db: Database, item: Item): Promise<Row> => {
    const until = deadlineOf(db)
    return (await write(db, item)) ?? alone(endingBy(db, until), item)
  }
}

interface Waiting<Key, Value> {
  key: Key
  /** Since when, a time of `performance.now()`. */
  since: number
  /** Runs the statement of a batch as a part of the request of its first key. */
  within: ReturnType<typeof currentWork>
  resolve: (value: Value) => void
  reject: (error: unknown) => void
}

/** A queue whose next batch waits for a lane. */
interface Waiter {
  send: () => void
  /** Rejects all that wait in it. */
  giveUp: () => void
}

/** The lanes of one query. */
class Lanes {
  #free = maxLanes
  readonly #waiting = new Set<Waiter>()

  /** Takes a lane, if one is free; otherwise the waiter is called when its turn has come. */
  take(waiter: Waiter): boolean {
    if (this.#free === 0) {
      this.#waiting.add(waiter)
      return false
    }
    this.#free -= 1
    return true
  }

  leave(): void {
    this.#free += 1
    for (const waiter of this.#waiting) {
      if (this.#free === 0) break
      this.#waiting.delete(waiter)
      waiter.send()
    }
  }

  /** Whoever waits behind a database that hangs would wait as long. */
  giveUp(): void {
    for (const { giveUp } of this.#waiting) giveUp()
  }
}

interface Queue<Key, Value> extends Batching {
  lanes: Lanes
  maxBatch: number
  /** Answers a batch whose first key has waited since then. */
  answerAll: (keys: Key[], since: number) => Promise<PromiseSettledResult<Value>[]>
}

function queue<Key, Value>({ lanes, maxBatch, longestWait, answerAll }: Queue<Key, Value>) {
  const waiting: Waiting<Key, Value>[] = []
  const waiter = {
    send() {
      const earliest = performance.now() - longestWait
      while (waiting[0] && waiting[0].since < earliest) waiting.shift()?.reject(new Overloaded())
      while (waiting.length > 0 && lanes.take(waiter)) void answer(waiting.splice(0, maxBatch))
    },
    giveUp() {
      for (const { reject } of waiting.splice(0)) reject(new Overloaded())
    },
  }

  const answer = async (batch: Waiting<Key, Value>[]) => {
    batchSize.observe(batch.length)
    try {
      const [first] = batch as [Waiting<Key, Value>]
      const answers = await first.within(() =>
        answerAll(
          batch.map(({ key }) => key),
          first.since,
        ),
      )
      for (const [i, answer] of answers.entries())
        if (answer.status === 'fulfilled') batch[i]?.resolve(answer.value)
        else batch[i]?.reject(answer.reason)
    } catch (error) {
      for (const { reject } of batch) reject(error)
      if (isStuck(error)) lanes.giveUp()
    }
    lanes.leave()
  }
  return (key: Key) =>
    new Promise<Value>((resolve, reject) => {
      if (waiting.length >= maxWaiting) return reject(new Overloaded())
      if (waiting.length === 0) setImmediate(waiter.send)
      waiting.push({ key, since: performance.now(), within: currentWork(), resolve, reject })
    })
}
