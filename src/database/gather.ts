import DataLoader from 'dataloader'
import type { Database } from './database.ts'
import { isStuck, Overloaded } from './errors.ts'

/** How many batches of a kind may be under way; the next one grows meanwhile. */
const lanes = 2
/** How many may wait: about as many as are answered in a second. */
const room = 10_000

const gathering = new WeakSet<Database>()

/** From now on, what is asked of this database goes out in batches; of its transactions it does not. */
export const gatherFor = (db: Database): unknown => gathering.add(db)

interface Gathered<Key, Value> {
  /** How many at most go out together. */
  most: number
  /** Answers all, in their order; an error in place of an answer is for that one alone. */
  all: (db: Database, keys: readonly Key[]) => Promise<(Value | Error)[]>
  one: (db: Database, key: Key) => Promise<Value>
}

/**
 * Sends what is asked in one turn of the event loop together, as a server's work is by the statement. Nobody joins a
 * batch that was sent, so that each answer is as new as if it had been asked for alone.
 */
export function gathered<Key, Value>({ most, all, one }: Gathered<Key, Value>) {
  const loads = new WeakMap<Database, (key: Key) => Promise<Value>>()
  return (db: Database, key: Key): Promise<Value> => {
    if (!gathering.has(db)) return one(db, key)
    const load = loads.get(db) ?? inBatches(most, (keys: readonly Key[]) => all(db, keys))
    loads.set(db, load)
    return load(key)
  }
}

function inBatches<Key, Value>(most: number, all: (keys: readonly Key[]) => Promise<(Value | Error)[]>) {
  const batches: (() => void)[] = []
  let waiting = 0
  let underWay = 0
  let refused = false

  const send = () => {
    while (underWay < lanes && batches.length > 0) batches.shift()?.()
  }
  const loader = new DataLoader<Key, Value>(
    async (keys) => {
      waiting -= keys.length
      if (refused) throw new Overloaded()
      underWay += 1
      try {
        return await all(keys)
      } catch (error) {
        if (isStuck(error)) refuseWaiting()
        throw error
      } finally {
        underWay -= 1
        send()
      }
    },
    {
      cache: false,
      maxBatchSize: most,
      batchScheduleFn: (dispatch) => {
        batches.push(dispatch)
        setImmediate(send)
      },
    },
  )
  /** What waits would wait in vain, for as long as those before it. */
  const refuseWaiting = () => {
    refused = true
    for (const dispatch of batches.splice(0)) dispatch()
    refused = false
  }
  return async (key: Key): Promise<Value> => {
    if (waiting >= room) throw new Overloaded()
    waiting += 1
    return loader.load(key)
  }
}
