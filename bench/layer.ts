// What the layer around every request costs: GET / of the program itself beside a bare Fastify that answers the same.
// A process has its own luck, so each pair is two fresh ones that take turns; the median of the pairs' ratios counts.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'
import Fastify from 'fastify'
import { freePort } from '../test/postgres.ts'

const pairs = 7
const rounds = 6
const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const itself = fileURLToPath(import.meta.url)
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number

async function bare(): Promise<void> {
  const app = Fastify()
  app.get('/', async () => ({ message: 'Sample API' }))
  await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
}

async function start(script: string) {
  const PORT = String(await freePort())
  // The greeting needs no database, and none is there.
  const env = { ...process.env, PORT, ORIGINS: 'https://example.org', POSTGRES_SERVER: '127.0.0.1:1', BARE: 'yes' }
  const child = fork(script, { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const url = `http://127.0.0.1:${PORT}/`
  while (!(await fetch(url).catch(() => undefined))?.ok) await new Promise((resolve) => setTimeout(resolve, 50))
  return { child, url, rates: [] as number[] }
}

async function pair(): Promise<number> {
  const both = [await start(itself), await start(main)]
  for (let round = 0; round < rounds; round++)
    for (const { url, rates } of both) {
      const { requests } = await autocannon({ url, connections: 50, duration: 1 })
      if (round > 0) rates.push(requests.average)
    }
  await Promise.all(both.map(({ child }) => stop(child)))
  const [bare, ours] = both.map(({ rates }) => median(rates)) as [number, number]
  process.stdout.write(`bare ${bare}/s, ours ${ours}/s: ${(ours / bare).toFixed(2)}\n`)
  return ours / bare
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill()
  await once(child, 'exit')
}

if (process.env.BARE) await bare()
else {
  const ratios: number[] = []
  for (let i = 0; i < pairs; i++) ratios.push(await pair())
  process.stdout.write(`ours / bare: ${median(ratios).toFixed(2)} (median of ${pairs} pairs)\n`)
}
