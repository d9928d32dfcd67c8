// Throughput side by side. The load generator shares the machine with what it measures, and perhaps with others: only
// ratios count, of short rounds that follow each other. A process has its own luck, so each pair is two fresh ones.
import { fork } from 'node:child_process'
import { once } from 'node:events'
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

/** Prints the program's throughput as a multiple of that of the script when it runs as the bare server. */
export async function compare(
  title: string,
  script: string,
  DATABASE_URL: string,
  load: Partial<autocannon.Options>,
): Promise<void> {
  const ratios: number[] = []
  for (let i = 0; i < pairs; i++) {
    const bare = await start(fileURLToPath(script), { DATABASE_URL, BARE: 'yes' })
    const ours = await startProgram(DATABASE_URL)
    ratios.push(await takeTurns({ ...load, url: bare.url }, { ...load, url: ours.url }))
    await Promise.all([bare.stop(), ours.stop()])
  }
  print(title, ratios)
}

/** The second one's throughput as a multiple of the first one's. */
export async function takeTurns(first: autocannon.Options, second: autocannon.Options): Promise<number> {
  const ratios: number[] = []
  for (let round = 0; round < rounds; round++) {
    const before = await throughput(first)
    const ratio = (await throughput(second)) / before
    if (round >= warmUp) ratios.push(ratio)
  }
  return median(ratios)
}

async function throughput(options: autocannon.Options): Promise<number> {
  const { requests, duration, non2xx, errors } = await autocannon({ connections: 50, duration: 1, ...options })
  if (non2xx + errors > 0) throw new Error(`${non2xx + errors} requests failed`)
  return requests.total / duration
}

export function print(title: string, ratios: number[]): void {
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2))
  process.stdout.write(`${title}: ${median(ratios).toFixed(2)} (${ratios.length} pairs, ${least} to ${most})\n`)
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] as number

export const startProgram = (DATABASE_URL: string) =>
  start(fileURLToPath(new URL('../dist/main.js', import.meta.url)), { DATABASE_URL, ORIGINS: 'https://example.org' })

async function start(script: string, env: NodeJS.ProcessEnv) {
  const PORT = String(await freePort())
  const child = fork(script, { env: { ...process.env, ...env, PORT }, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const url = `http://127.0.0.1:${PORT}`
  while (!(await fetch(url).catch(() => undefined))?.ok) await new Promise((resolve) => setTimeout(resolve, 50))
  return {
    url,
    async stop() {
      child.kill()
      await once(child, 'exit')
    },
  }
}
