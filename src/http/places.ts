// What a request needs a place in before it may ask the database.

export interface Place {
  /** Whether there is room, perhaps after some time, but by `until`, a time of `performance.now()`. */
  enter(until: number): boolean | Promise<boolean>
  leave(): void
}

/** How many requests are admitted. */
interface Bounds {
  /** How long a request may have to wait behind others of its path, in milliseconds. */
  longestWait: number
  /** How many are admitted however slow they are. */
  fewest: number
}

export interface Limits {
  /** While none was rejected for a second: so many may well be all that there are. */
  calm: Bounds
  /** After that. */
  crowded: Bounds
  /** Over how many answers their pace is averaged. */
  span: number
}

const second = 1000

/** How many are admitted however fast they are: the pool lets as many wait. */
const most = 1000

/** The requests in progress of a route. By Little's law, the last of them waits for as many answers as there are. */
export class Load implements Place {
  #inProgress = 0
  /** From one answer to the next while requests are in progress, in milliseconds. */
  #pace = 0
  #last = 0
  #lastRejection = Number.NEGATIVE_INFINITY
  readonly #limits: Limits

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** Whether one more is too many; then it is crowded for a while. */
  rejects(): boolean {
    const now = performance.now()
    const { calm, crowded } = this.#limits
    const { longestWait, fewest } = now - this.#lastRejection > second ? calm : crowded
    const isFull =
      this.#inProgress >= fewest && (this.#inProgress * this.#pace > longestWait || this.#inProgress >= most)
    if (isFull) this.#lastRejection = now
    return isFull
  }

  enter(): boolean {
    if (this.rejects()) return false
    if (this.#inProgress === 0) this.#last = performance.now()
    this.#inProgress += 1
    return true
  }

  leave(): void {
    const now = performance.now()
    const { calm, span } = this.#limits
    this.#pace += (Math.min(now - this.#last, calm.longestWait) - this.#pace) / span // so a stall is soon forgotten
    this.#last = now
    this.#inProgress -= 1
  }
}

/** Lets only so many go on at a time. */
export class Turns implements Place {
  #free: number
  readonly #atATime: number
  readonly #mostWaiting: number
  readonly #waiting = new Set<() => void>()

  constructor(atATime: number, mostWaiting = Number.POSITIVE_INFINITY) {
    this.#free = atATime
    this.#atATime = atATime
    this.#mostWaiting = mostWaiting
  }

  get isIdle(): boolean {
    return this.#free === this.#atATime
  }

  /** It is refused once `signal` is aborted. */
  enter(until: number, signal?: AbortSignal): boolean | Promise<boolean> {
    if (signal?.aborted) return false
    if (this.#free === 0)
      return this.#waiting.size < this.#mostWaiting && new Promise((resolve) => this.#wait(until, signal, resolve))
    this.#free -= 1
    return true
  }

  leave(): void {
    const [next] = this.#waiting
    if (next) next()
    else this.#free += 1
  }

  /** What `work` answers once its turn has come, and `otherwise` if it has not by then. */
  async run<T>(
    work: () => T | Promise<T>,
    { until, signal, otherwise }: { until: number; signal?: AbortSignal | undefined; otherwise: () => T },
  ): Promise<T> {
    if (!(await this.enter(until, signal))) return otherwise()
    try {
      return await work()
    } finally {
      this.leave()
    }
  }

  #wait(until: number, signal: AbortSignal | undefined, resolve: (isTurn: boolean) => void): void {
    const end = (isTurn: boolean) => {
      clearTimeout(late)
      signal?.removeEventListener('abort', giveUp)
      this.#waiting.delete(begin)
      resolve(isTurn)
    }
    const begin = () => end(true)
    const giveUp = () => end(false)
    const late = setTimeout(giveUp, until - performance.now())
    signal?.addEventListener('abort', giveUp)
    this.#waiting.add(begin)
  }
}

/** How many may wait to change one resource. */
const mostWaiting = 100

/** The turns of those that change one resource; they are forgotten with the last of them. */
export function turnsOf(resources: Map<string, Turns>, resource: string): Place {
  const turns = resources.get(resource) ?? new Turns(1, mostWaiting)
  resources.set(resource, turns)
  return {
    enter: (until) => turns.enter(until),
    leave() {
      turns.leave()
      if (turns.isIdle) resources.delete(resource)
    },
  }
}

/** Whether there is room in all of the places by then. They are entered one after the other, and added to `entered`. */
export function enterAll([place, ...others]: Place[], entered: Place[], until: number): boolean | Promise<boolean> {
  if (!place) return true
  const goOn = (isIn: boolean) => {
    if (isIn) entered.push(place)
    return isIn && enterAll(others, entered, until)
  }
  const isIn = place.enter(until)
  return typeof isIn === 'boolean' ? goOn(isIn) : isIn.then(goOn)
}
