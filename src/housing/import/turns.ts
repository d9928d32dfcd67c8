import type { FastifyReply, FastifyRequest } from 'fastify'
import { Turns } from '../../http/places.ts'
import { refuseTransfer, untilGone } from '../../http/transfers.ts'

/** How many are applied at a time, as there are connections for it, and how many store what has arrived. */
const atATime = 2

/**
 * How long an import waits for its turn, in milliseconds: a file for less than the hour for which its rows are kept; an
 * array, whose place among the large bodies others wait for, hardly at all.
 */
const longestWait = { file: 1_800_000, array: 1000 }

/** Does work for an import once its turn has come. Rejects if that takes too long, its client goes away or the process stops. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>

/**
 * The turns of all imports. The function answers those of one request: to store what has arrived, and to apply it. `stopping`
 * is aborted when the process stops.
 */
export function turnsOfImports() {
  const [staging, applying] = [new Turns(atATime), new Turns(atATime)]
  return ({ body }: FastifyRequest, { raw }: FastifyReply, stopping: AbortSignal) => {
    const signal = untilGone(raw, stopping)
    const wait = Array.isArray(body) ? longestWait.array : longestWait.file
    const otherwise = () => {
      signal.throwIfAborted()
      throw refuseTransfer('Too many imports are in progress.')
    }
    const within =
      (turns: Turns): InTurn =>
      (work) =>
        turns.run(work, { until: performance.now() + wait, signal, otherwise })
    return { staging: within(staging), applying: within(applying) }
  }
}
