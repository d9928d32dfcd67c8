/** A change in the feed: what the checker looks at, and the rest. */
export interface Change {
  position: number
  id: number
  version: number
}

/** What the writers, the readers and the hazards of one round share. */
export class Round {
  readonly seed: number
  /** The URLs of the APIs; one of them may be down. */
  readonly apis: string[]
  /** Whether the writers and the hazards go on. */
  isRunning = true
  /** Aborted when the readers must end, whatever they have got. */
  readonly end = new AbortController()
  /** How many changes the feed has in the end; nobody knows while the writers go on. */
  total = Number.POSITIVE_INFINITY
  /** What was done, for the report. */
  readonly counts = { changes: 0, transactions: 0, 'rolled back': 0, failed: 0, 'by the API': 0 }
  /** The change at each position, as the first reader got it. */
  readonly told = new Map<number, Change>()
  /** What is wrong. */
  readonly differences: string[] = []

  constructor(seed: number, apis: string[]) {
    this.seed = seed
    this.apis = apis
  }

  /** Ends the writers and the hazards. */
  stop(): void {
    this.isRunning = false
  }
}
