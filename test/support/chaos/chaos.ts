import { setTimeout as sleep } from 'node:timers/promises'
import { Dice } from '../dice.ts'
import { memoryOf } from '../memory.ts'
import type { Program } from '../restartable.ts'
import { beClient, Round } from './clients.ts'
import { happen, kindsOfFaults } from './faults.ts'
import { type Change, type House, violations } from './history.ts'
import { type Backend, openPlace, type Place } from './place.ts'

const clients = 8

export interface ChaosOptions {
  backend: Backend
  seed: number
  /** The round ends after so many seconds, or so many faults. */
  seconds?: number
  times?: number
  /** The faults that happen; all that the back end can have unless they are named. */
  only?: string[] | undefined
  /** Settings of the programs. */
  env?: Record<string, string>
  /** Gets a line every minute. */
  progress?: (line: string) => void
}

/**
 * Lets clients write houses to programs that are killed, stopped and stalled, while their database and the network to it
 * fail. Then everything that was acknowledged must be there, once and whole, and nothing that was reported as failed.
 * Answers what is wrong, what clients were told, which faults there were, and the memory of each program in MB.
 */
export async function runChaos({
  backend,
  seed,
  seconds = Number.POSITIVE_INFINITY,
  times = Number.POSITIVE_INFINITY,
  only,
  env,
  progress,
}: ChaosOptions) {
  const place = await openPlace(backend, env)
  try {
    const round = new Round(
      seed,
      place.programs.map(({ url }) => url),
    )
    const faults: Record<string, number> = {}
    const total = () => Object.values(faults).reduce((sum, count) => sum + count, 0)
    const kinds = backend === 'server' ? kindsOfFaults : kindsOfFaults.slice(0, 1)
    const disturb = async (names: string[]) => {
      const dice = new Dice(`${seed} ${names}`)
      while (round.isRunning && total() < times) {
        const name = dice.pick(names)
        await happen(name, place, dice)
        faults[name] = (faults[name] ?? 0) + 1
      }
    }
    const disturbing = kinds
      .map((names) => names.filter((name) => only?.includes(name) ?? true))
      .filter((names) => names.length > 0)
      .map(disturb)
    const writing = Array.from({ length: clients }, (_, i) => beClient(round, i + 1))
    for (const task of [...disturbing, ...writing]) task.catch(() => (round.isRunning = false))

    const memory = place.programs.map((): number[] => [])
    const begun = performance.now()
    for (let next = 0; round.isRunning && total() < times; await sleep(50)) {
      const passed = (performance.now() - begun) / 1000
      if (passed >= next) {
        for (const [i, program] of place.programs.entries()) memory[i]?.push(memoryNow(program))
        const used = memory.map((values) => values.at(-1)).join(' and ')
        progress?.(`${next / 60} min: ${total()} faults, ${round.did.done} writes, ${used} MB`)
        next += 60
      }
      if (passed > seconds) break
    }
    round.isRunning = false
    await Promise.all([...disturbing, ...writing])
    const program = await startAfresh(place)
    const found = [...round.found, ...violations(round.writes, await changesOf(program), await housesOf(program))]
    return { found, did: round.did, faults, memory }
  } finally {
    await place.close()
  }
}

/** Ends all programs in peace, and starts the first again, on what is stored. */
async function startAfresh({ programs, isQuiet }: Place): Promise<Program> {
  for (const program of programs) {
    const code = await program.stop()
    if (code !== 0) throw new Error(`A program that got SIGTERM ended with ${code}.`)
  }
  await isQuiet()
  const [program] = programs as [Program]
  await program.start()
  return program
}

/** What the API answers there; as a client would, it asks again where that may help. */
async function read<T>(url: string): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const answer = await fetch(url)
    if (answer.ok) return (await answer.json()) as T
    const { status } = answer
    if (attempt === 10 || (status !== 503 && status !== 504))
      throw new Error(`${url} answers ${status}: ${await answer.text()}`)
    await sleep(1000)
  }
}

/** All changes, as the feed has them. */
export async function changesOf({ url }: Program): Promise<Change[]> {
  const all: Change[] = []
  for (let after = 0; ; ) {
    const { items, next } = await read<{ items: Change[]; next: number }>(
      `${url}/api/v2/housing/changes?limit=1000&after=${after}`,
    )
    all.push(...items)
    if (next === after) return all
    after = next
  }
}

/** All houses. */
export async function housesOf({ url }: Program): Promise<House[]> {
  const all: House[] = []
  for (let query = 'limit=1000'; ; ) {
    const { items, next } = await read<{ items: House[]; next: string | null }>(`${url}/api/v2/housing?${query}`)
    all.push(...items)
    if (next === null) return all
    query = `limit=1000&cursor=${next}`
  }
}

/** The resident memory of a program in MB; 0 while it is down. */
function memoryNow(program: Program): number {
  try {
    return Math.round(memoryOf(program.pid()))
  } catch {
    return 0
  }
}
