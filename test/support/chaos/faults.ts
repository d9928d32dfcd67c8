import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Dice } from '../dice.ts'
import type { Program } from '../restartable.ts'
import type { Place } from './place.ts'

type Fault = (place: Required<Place>, dice: Dice, program: Program) => Promise<unknown>

/** What happens to a program. */
const ofPrograms = {
  kill: async (_, dice, program) => {
    await program.kill()
    await sleep(dice.between(0, 300))
    await program.start()
  },
  stop: async (_, _dice, program) => {
    const code = await program.stop()
    if (code !== 0) throw new Error(`A program that got SIGTERM ended with ${code}.`)
    await program.start()
  },
  stall: async (_, dice, program) => {
    program.signal('SIGSTOP')
    await sleep(dice.between(50, 2000))
    program.signal('SIGCONT')
  },
} satisfies Record<string, Fault>

/** What happens to a server, or on the way to it. */
const ofServers = {
  connections: ({ server }, dice) =>
    onServer(server.url, async (client) => {
      const { rows } = await client.query(`select pid from pg_stat_activity
        where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid`)
      const some = rows.filter(() => dice.chance(0.5)).map(({ pid }) => pid)
      await client.query('select pg_terminate_backend(pid) from unnest($1::integer[]) pid', [some])
    }),
  crash: async ({ server }, dice) => {
    await server.crash()
    await sleep(dice.between(0, 1000))
    await server.start()
  },
  cut: async ({ network }, dice) => {
    network.delay(dice.between(0, 100))
    await sleep(200) // now questions and answers are on their way
    network.cut()
    network.delay(0)
  },
  hang: async ({ network }, dice) => {
    network.hang(true)
    await sleep(dice.between(100, 7000)) // longer, sometimes, than a request may take
    network.hang(false)
  },
  delay: async ({ network }, dice) => {
    network.delay(dice.between(5, 300))
    await sleep(dice.between(500, 3000))
    network.delay(0)
  },
} satisfies Record<string, Fault>

const faults: Record<string, Fault> = { ...ofPrograms, ...ofServers }
export const faultNames = Object.keys(faults)

/** The faults of each kind: those of one kind happen one after the other, and at the same time as those of the other. */
export const kindsOfFaults = [Object.keys(ofPrograms), Object.keys(ofServers)]

/** Waits a moment, then lets the fault happen; answers once everything is as before. */
export async function happen(name: string, place: Place, dice: Dice): Promise<void> {
  await sleep(dice.between(50, 1500))
  await faults[name]?.(place as Required<Place>, dice, dice.pick(place.programs))
}

async function onServer(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  await work(client).finally(() => client.end())
}
