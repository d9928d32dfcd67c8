// How far Postgres is with a statement, in memory that its thread shares with the program's. Each thread changes it in one
// step from what it expects: a statement is either given up or committed, and both threads know which.

/** Nothing runs: the last answer was sent. */
const idle = 0
/** A statement runs, and nothing of it is committed. */
export const running = 1
/** What it did may be committed. */
export const committing = 2
/** Its time is over: it must not be committed, and the thread is about to end. */
export const givenUp = 3

export type Phase = Int32Array<SharedArrayBuffer>

export const newPhase = (): Phase => new Int32Array(new SharedArrayBuffer(4))

/** Changes the phase if it is the expected one; returns what it was. */
export const change = (phase: Phase, expected: number, next: number): number =>
  Atomics.compareExchange(phase, 0, expected, next)

export const begin = (phase: Phase): void => void Atomics.store(phase, 0, running)

/** Returns what the phase was. */
export const finish = (phase: Phase): number => Atomics.exchange(phase, 0, idle)
