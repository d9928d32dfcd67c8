// What the program does with more than it can do: two, and ten times its capacity, from a generator in another process
// (open-loop.ts). Its capacity is what a closed loop gets from it, with searches (`q`) alone, and with a create for every three
// searches. Such a search takes Postgres some 20 ms, so that ten times the capacity is far below half of what a bare server
// answers: what is measured is neither the generator nor the cost of a rejection.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import autocannon from 'autocannon'
import { memoryOf } from '../test/support/memory.ts'
import { withHouses } from './houses.ts'
import type { Load, Sent } from './open-loop.ts'
import { startProgram } from './pairs.ts'

const seconds = Number(process.env.SECONDS ?? 10)

const house = { address: '1207', street: 'Wharf Street', city: 'Victoria', postal_code: 'V8W 2E7', housing_type: 'SFD' }
const search = '/api/v2/housing?q=3%20douglas'
const body = JSON.stringify(house)
const lines = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`
const asSearch = lines(`GET ${search} HTTP/1.1`, 'host: localhost')
const asCreate = `${lines(
  'POST /api/v2/housing HTTP/1.1',
  'host: localhost',
  'content-type: application/json',
  `content-length: ${body.length}`,
)}${body}`
const loads = {
  searches: [asSearch],
  'a create for every three searches': [asCreate, asSearch, asSearch, asSearch],
}

/** What a closed loop gets, in requests a second. It is too small to be rejected. */
async function capacityOf(url: string, requests: string[]): Promise<number> {
  await sleep(1000) // what the load before has left behind is still in progress
  const {
    '2xx': done,
    non2xx,
    duration,
  } = await autocannon({
    url,
    connections: 10,
    duration: seconds,
    requests: requests.map((request) =>
      request === asSearch
        ? { method: 'GET', path: search }
        : { method: 'POST', path: '/api/v2/housing', headers: { 'content-type': 'application/json' }, body },
    ),
  })
  if (non2xx > 0) throw new Error(`${non2xx} requests failed`)
  return done / duration
}

/** What a server answers that does nothing but that. */
async function bareCapacity(): Promise<number> {
  const server = createServer((_request, response) => response.end('{}')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const { requests, duration } = await autocannon({ url: `http://127.0.0.1:${port}`, connections: 50, duration: 3 })
  server.close()
  return requests.total / duration
}

const generator = fork(fileURLToPath(new URL('open-loop.ts', import.meta.url)), {
  env: { ...process.env, GENERATOR: 'yes' },
  serialization: 'advanced',
})
async function generate(load: Load): Promise<Sent[]> {
  generator.send(load)
  return (await once(generator, 'message'))[0] as Sent[]
}

const percentile = (values: number[], p: number) =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * p))] ?? Number.NaN
const spread = (values: number[]) =>
  values.length === 0 ? '–' : `${[0.5, 0.99, 1].map((p) => percentile(values, p).toFixed(0)).join(' / ')} ms`

const latency = ({ scheduled, answered = Number.NaN }: Sent) => answered - scheduled
const isDone = ({ status = 0 }: Sent) => status < 300 && status >= 200
const isRefused = ({ status, saysWhen }: Sent) => status === 503 && saysWhen === true

/** Prints what became of a load; answers what 99 of 100 that were accepted did not exceed, in milliseconds. */
function report(title: string, sent: Sent[], { requests, capacity }: { requests: string[]; capacity: number }): number {
  const length = (sent.at(-1)?.scheduled ?? 0) / 1000
  const done = sent.filter(isDone)
  const refused = sent.filter(isRefused)
  const others = sent.filter((each) => !isDone(each) && !isRefused(each)).map(({ status }) => status ?? 'no answer')
  const inTime = done.filter(({ answered = 0 }) => answered <= length * 1000) // what comes later is no throughput
  const goodputOf = (what: string) => {
    const count = inTime.filter(({ request }) => requests[request] === what).length
    const share = requests.filter((request) => request === what).length / requests.length
    return `${((100 * count) / length / (capacity * share)).toFixed(0)} %`
  }
  const late = Math.max(...sent.map(({ scheduled, started }) => started - scheduled))
  const reached = (1000 * sent.length) / (sent.at(-1)?.started ?? 0)
  print(`${title}: ${reached.toFixed(0)}/s sent, ${late.toFixed(0)} ms late at most`)
  print(`  goodput: ${goodputOf(asSearch)} of the capacity for searches, ${goodputOf(asCreate)} for creates`)
  print(`  accepted ${done.length}, p50 / p99 / max ${spread(done.map(latency))}`)
  print(`  refused ${refused.length}, p50 / p99 / max ${spread(refused.map(latency))}`)
  if (others.length > 0) print(`  ${others.length} others: ${[...new Set(others)].join(', ')}`)
  return percentile(done.map(latency), 0.99)
}

const print = (line: string) => process.stdout.write(`${line}\n`)

async function measure(where: string, { url, pid, stop }: Awaited<ReturnType<typeof startProgram>>): Promise<void> {
  const port = Number(new URL(url).port)
  const bare = await bareCapacity()
  for (const [what, requests] of Object.entries(loads)) {
    await capacityOf(url, requests) // until then the code is still being compiled
    const capacity = await capacityOf(url, requests)
    print(
      `${where}, ${what}: the capacity is ${capacity.toFixed(0)}/s, and ten times that is ` +
        `${((1000 * capacity) / bare).toFixed(0)} % of what a bare server answers (${bare.toFixed(0)}/s)`,
    )
    const load = (factor: number) => generate({ port, rate: factor * capacity, seconds, requests })
    const usual = report('0.8 ×', await load(0.8), { requests, capacity })
    for (const factor of [2, 10]) {
      const before = memoryOf(pid)
      report(`${factor} ×`, await load(factor), { requests, capacity })
      print(`  memory ${before.toFixed(0)} MB before, ${memoryOf(pid).toFixed(0)} MB after`)
      const after = await load(0.5)
      const slow = after.filter((each) => !isDone(each) || latency(each) > 3 * usual)
      const normalAfter = ((slow.at(-1)?.scheduled ?? 0) / 1000).toFixed(1)
      print(
        `  then, at 0.5 ×, normal after ${normalAfter} s: ${slow.length} were slow, ${spread(slow.filter(isDone).map(latency))}`,
      )
    }
  }
  await stop()
}

/** The program on an embedded database with ten thousand houses. */
async function startEmbedded(folder: string) {
  const program = await startProgram('', { DATA_DIR: folder })
  while (!(await fetch(`${program.url}/readyz`)).ok) await sleep(50)
  const operations = Array.from({ length: 1000 }, (_, n) => ({
    op: 'create',
    house: { ...house, address: `${1 + (n % 5)}`, street: 'Douglas Street' },
  }))
  const headers = { 'content-type': 'application/json' }
  for (let n = 0; n < 10; n++)
    await fetch(`${program.url}/api/v2/housing/batch`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ operations }),
    })
  return program
}

await withHouses(async (url) => measure('on a server', await startProgram(url)))
const folder = await mkdtemp(join(tmpdir(), 'sample-api-'))
await measure('embedded', await startEmbedded(folder))
await rm(folder, { recursive: true })
generator.disconnect()
