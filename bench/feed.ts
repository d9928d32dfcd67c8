// What the feed costs writers while clients listen, and how soon a client has a change.
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { withHouses } from './houses.ts'
import { compareServers, median, startProgram } from './pairs.ts'

const listeners = 10
const house = {
  address: '1207',
  street: 'Douglas Street',
  city: 'Victoria',
  postal_code: 'V8W 2E7',
  housing_type: 'SFD',
}
const post = { method: 'POST' as const, headers: { 'content-type': 'application/json' }, body: JSON.stringify(house) }

/** Where the changes from now on are. */
async function changes(url: string): Promise<string> {
  const { headers } = await fetch(`${url}/api/v2/housing/export`, { method: 'HEAD' })
  return `/api/v2/housing/changes?after=${headers.get('feed-position')}`
}

/** Listens from now on. `received` is called with the ids of the houses that have changed. */
async function listen(url: string, received: (ids: number[]) => void): Promise<void> {
  const asked = get(url + (await changes(url)), { headers: { accept: 'text/event-stream' } })
  const [answer] = (await once(asked, 'response')) as [IncomingMessage]
  answer.on('error', () => {}) // the program ends before
  answer
    .setEncoding('utf8')
    .on('data', (text: string) => received([...text.matchAll(/"id":(\d+),"version"/g)].map(([, id]) => Number(id))))
}

/** Listens from now on and reads nothing of what comes: on the same machine, clients that do would cost more than the feed. */
async function listenIdly(url: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const path = await changes(url)
  await new Promise<void>((listening, failed) => {
    const onread = {
      buffer: Buffer.alloc(65_536),
      callback() {
        listening()
        return true
      },
    }
    const socket = connect({ host: hostname, port: Number(port), onread }).on('error', failed)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: ${hostname}\r\nAccept: text/event-stream\r\n\r\n`)
  })
}

async function startWithListeners(DATABASE_URL: string) {
  const program = await startProgram(DATABASE_URL)
  for (let i = 0; i < listeners; i++) await listenIdly(program.url)
  return program
}

// Each with a server of its own, as the numbering of one would be work for the other.
await withHouses((first) =>
  withHouses((second) =>
    compareServers(
      `POST while ${listeners} clients listen, beside nobody`,
      { requests: [{ ...post, path: '/api/v2/housing' }] },
      [() => startProgram(first), () => startWithListeners(second)],
    ),
  ),
)

await withHouses(async (DATABASE_URL) => {
  const [own, other] = [await startProgram(DATABASE_URL), await startProgram(DATABASE_URL)]
  const arrivals = new Map<number, number>()
  await listen(own.url, (ids) => {
    for (const id of ids) arrivals.set(id, performance.now())
  })
  for (const [who, { url }] of Object.entries({ 'the same process': own, 'another process': other })) {
    const delays: number[] = []
    for (let i = 0; i < 100; i++) {
      await sleep(Math.random() * 100)
      const { id } = (await (await fetch(`${url}/api/v2/housing`, post)).json()) as { id: number }
      const answered = performance.now()
      while (!arrivals.has(id)) await sleep(1)
      delays.push(Math.max(0, (arrivals.get(id) as number) - answered))
    }
    const all = delays.toSorted((a, b) => a - b).map(Math.round)
    process.stdout.write(`from the answer to a POST until a listener has the change, by ${who}: `)
    process.stdout.write(`median ${median(all)} ms, 95 % within ${all[95]} ms, at most ${all.at(-1)} ms\n`)
  }
  await Promise.all([own.stop(), other.stop()])
})
