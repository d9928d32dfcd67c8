// What memory gains: the list of housing types from the program itself beside Fastify and pg, which answer the same from
// the database with a named statement. A process has its own luck, so each pair is two fresh ones that take turns; the
// median of the pairs' ratios counts.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'
import Fastify from 'fastify'
import pg from 'pg'
import { freePort, startPostgres } from '../test/postgres.ts'

const pairs = 5
const rounds = 5
const path = '/api/v2/housing-types'
const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))
const itself = fileURLToPath(import.meta.url)
const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] as number

const type = { type: 'object', properties: { code: { type: 'string' }, description: { type: 'string' } } }
const list = { type: 'object', properties: { items: { type: 'array', items: type }, next: { type: 'null' } } }

async function plain(): Promise<void> {
  const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 })
  const text = 'select code, description from housing.housing_types order by id'
  const app = Fastify()
  app.get(path, { schema: { response: { 200: list } } }, async () => {
    const { rows } = await pool.query({ name: 'types', text })
    return { items: rows, next: null }
  })
  await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' })
}

async function start(script: string, DATABASE_URL: string) {
  const PORT = String(await freePort())
  const env = { ...process.env, PORT, DATABASE_URL, ORIGINS: 'https://example.org', PLAIN: 'yes' }
  const child = fork(script, { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const url = `http://127.0.0.1:${PORT}${path}`
  const body = () =>
    fetch(url).then(
      (answer) => (answer.ok ? answer.text() : undefined),
      () => undefined,
    )
  while (!(await body())) await new Promise((resolve) => setTimeout(resolve, 50))
  return { child, url, body: await body(), rates: [] as number[] }
}

async function pair(database: string): Promise<number> {
  const ours = await start(main, database) // first, as it makes the tables
  const theirs = await start(itself, database)
  if (ours.body !== theirs.body) throw new Error(`Not the same answer: ${ours.body} and ${theirs.body}`)
  for (let round = 0; round < rounds; round++)
    for (const { url, rates } of [theirs, ours]) {
      const { requests, non2xx, errors } = await autocannon({ url, connections: 50, duration: 1 })
      if (non2xx + errors > 0) throw new Error(`${non2xx + errors} requests to ${url} failed`)
      if (round > 0) rates.push(requests.average)
    }
  await Promise.all([ours, theirs].map(({ child }) => stop(child)))
  const [a, b] = [median(ours.rates), median(theirs.rates)]
  process.stdout.write(`fastify + pg ${b}/s, ours ${a}/s: ${(a / b).toFixed(2)}\n`)
  return a / b
}

async function stop(child: ChildProcess): Promise<void> {
  child.kill()
  await once(child, 'exit')
}

if (process.env.PLAIN) await plain()
else {
  const postgres = await startPostgres()
  const ratios: number[] = []
  for (let i = 0; i < pairs; i++) ratios.push(await pair(postgres.url))
  await postgres.stop()
  process.stdout.write(`ours / fastify + pg: ${median(ratios).toFixed(2)} (median of ${pairs} pairs)\n`)
}
