// The throughput of two servers side by side, and their processor time per request. The load generator shares the
// machine with them, and perhaps with other work, so only ratios of consecutive short rounds count. Where the generator
// is the slower one, throughput hides half of a difference; processor time does not. Processes differ by chance, so
// each pair is two new ones.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'
import type { FastifyInstance } from 'fastify'
import { freePort } from '../test/support/postgres.ts'

const pairs = Number(process.env.PAIRS ?? 7)
const rounds = 9
const warmUp = 4 // until then the code is still being compiled

/** Whether this process is the bare server, not the measurement. */
export const isBare = process.env.BARE !== undefined

export const listen = (app: FastifyInstance) => app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })

/** Throughput of one server as a multiple of another's, and the processor time per request of both, in microseconds. */
interface Comparison {
  ratio: number
  processorTimes: [number, number]
}

/** Runs the script as the bare server, and prints how the program compares with it. */
export const compare = (title: string, script: string, DATABASE_URL: string, load: Partial<autocannon.Options>) =>
  compareServers(title, load, [
    () => start(fileURLToPath(script), { DATABASE_URL, BARE: 'yes' }),
    () => startProgram(DATABASE_URL),
  ])

/** Starts pairs of servers, and prints how the second of each pair compares with the first. */
export async function compareServers(
  title: string,
  load: Partial<autocannon.Options>,
  [startFirst, startSecond]: [() => ReturnType<typeof start>, () => ReturnType<typeof start>],
): Promise<void> {
  const comparisons: Comparison[] = []
  for (let i = 0; i < pairs; i++) {
    const servers = [await startFirst(), await startSecond()]
    const [first, second] = servers.map(({ url, pid }) => ({ pid, load: { ...load, url } })) as [Target, Target]
    comparisons.push(await takeTurns(first, second))
    await Promise.all(servers.map(({ stop }) => stop()))
  }
  print(title, comparisons)
}

interface Target {
  pid: number
  load: autocannon.Options
}

/** Compares the second target with the first. */
export async function takeTurns(first: Target, second: Target): Promise<Comparison> {
  const turns: Comparison[] = []
  for (let round = 0; round < rounds; round++) {
    const [before, after] = [await measure(first), await measure(second)]
    if (round < warmUp) continue
    turns.push({
      ratio: after.throughput / before.throughput,
      processorTimes: [before.processorTime, after.processorTime],
    })
  }
  return medianOf(turns)
}

async function measure({ pid, load }: Target) {
  const begun = processorTime(pid)
  const { requests, duration, non2xx, errors } = await autocannon({ connections: 50, duration: 1, ...load })
  if (non2xx + errors > 0) throw new Error(`${non2xx + errors} requests failed`)
  return { throughput: requests.total / duration, processorTime: (processorTime(pid) - begun) / requests.total }
}

/** The processor time that a process has used, in microseconds, in steps of 10,000; unknown except on Linux. */
function processorTime(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

export function print(title: string, comparisons: Comparison[]): void {
  const ratios = comparisons.map(({ ratio }) => ratio)
  const { ratio, processorTimes } = medianOf(comparisons)
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2))
  const [first, second] = processorTimes.map((time) => time.toFixed(1))
  process.stdout.write(
    `${title}: ${ratio.toFixed(2)} (${ratios.length} pairs, ${least} to ${most}); ` +
      `processor time per request ${second} µs, of the first ${first} µs\n`,
  )
}

const medianOf = (comparisons: Comparison[]): Comparison => ({
  ratio: median(comparisons.map(({ ratio }) => ratio)),
  processorTimes: [
    median(comparisons.map(({ processorTimes }) => processorTimes[0])),
    median(comparisons.map(({ processorTimes }) => processorTimes[1])),
  ],
})

export const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number

export const startProgram = (DATABASE_URL: string, env: NodeJS.ProcessEnv = {}) =>
  start(fileURLToPath(new URL('../dist/main.js', import.meta.url)), {
    DATABASE_URL,
    ORIGINS: 'https://example.org',
    ...env,
  })

async function start(script: string, env: NodeJS.ProcessEnv) {
  const PORT = String(await freePort())
  const child = fork(script, { env: { ...process.env, ...env, PORT }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const url = `http://127.0.0.1:${PORT}`
  while (!(await fetch(url).catch(() => undefined))?.ok) await new Promise((resolve) => setTimeout(resolve, 50))
  return {
    url,
    pid: child.pid as number,
    async stop() {
      child.kill()
      await once(child, 'exit')
    },
  }
}
