// What a request needs a place in before it may ask the database.

export interface Place {
  /** Whether there is room, perhaps after some time. */
  enter(): boolean | Promise<boolean>
  leave(): void
}

export interface Limits {
  /** How long a request may have to wait behind others of its path, in milliseconds. */
  longestWait: number
  /** How many are admitted however slow they are. */
  fewest: number
  /** Over how many answers their pace is averaged. */
  span: number
}

/** How many are admitted however fast they are: the pool lets as many wait. */
const most = 1000

/** The requests in progress of a route. By Little's law, the last of them waits for as many answers as there are. */
export class Load implements Place {
  #inProgress = 0
  /** From one answer to the next while requests are in progress, in milliseconds. */
  #pace = 0
  #last = 0
  readonly #limits: Limits

  constructor(limits: Limits) {
    this.#limits = limits
  }

  get isFull(): boolean {
    const { fewest, longestWait } = this.#limits
    return this.#inProgress >= fewest && (this.#inProgress * this.#pace > longestWait || this.#inProgress >= most)
  }

  enter(): boolean {
    if (this.isFull) return false
    if (this.#inProgress === 0) this.#last = performance.now()
    this.#inProgress += 1
    return true
  }

  leave(): void {
    const now = performance.now()
    const { longestWait, span } = this.#limits
    this.#pace += (Math.min(now - this.#last, longestWait) - this.#pace) / span // so a stall is soon forgotten
    this.#last = now
    this.#inProgress -= 1
  }
}

/** How long a request waits for its turn, in milliseconds: as long as for a connection. */
const longestTurn = 1000

/** How many wait for a turn at most. */
const mostWaiting = 100

/** Lets only so many go on at a time. */
export class Turns implements Place {
  #free: number
  readonly #atATime: number
  readonly #waiting = new Set<() => void>()

  constructor(atATime: number) {
    this.#free = atATime
    this.#atATime = atATime
  }

  get isIdle(): boolean {
    return this.#free === this.#atATime
  }

  enter(): boolean | Promise<boolean> {
    if (this.#free === 0) return this.#waiting.size < mostWaiting && new Promise((resolve) => this.#wait(resolve))
    this.#free -= 1
    return true
  }

  leave(): void {
    const [next] = this.#waiting
    if (next) next()
    else this.#free += 1
  }

  #wait(resolve: (isTurn: boolean) => void): void {
    const end = (isTurn: boolean) => {
      clearTimeout(late)
      this.#waiting.delete(begin)
      resolve(isTurn)
    }
    const begin = () => end(true)
    const late = setTimeout(end, longestTurn, false)
    this.#waiting.add(begin)
  }
}

/** The turns of those that change one resource; they are forgotten with the last of them. */
export function turnsOf(resources: Map<string, Turns>, resource: string): Place {
  const turns = resources.get(resource) ?? new Turns(1)
  resources.set(resource, turns)
  return {
    enter: () => turns.enter(),
    leave() {
      turns.leave()
      if (turns.isIdle) resources.delete(resource)
    },
  }
}
