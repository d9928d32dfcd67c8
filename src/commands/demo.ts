import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from '../config/config.ts'
import { demoHouse } from '../housing/demo/houses.ts'
import { below, randomOf } from '../housing/demo/random.ts'
import type { HousingPatch } from '../housing/schemas.ts'
import { importRows } from './import.ts'
import { progress } from './progress.ts'
import { type Api, reachApi, textOf } from './reach.ts'
import { say } from './say.ts'
import { UsageError } from './usage-error.ts'

interface Options {
  url?: string
  houses: string
  seed: string
  edits: string
  live?: boolean
}

/** The pause between two changes with `--live`, in milliseconds. */
const pause = 1000

/** Adds invented houses; changes some of them, for a history; and with `--live` goes on changing them until Ctrl-C. */
export async function demo(config: Config, { url, live = false, ...numbers }: Options): Promise<void> {
  const houses = numberIn('--houses', numbers.houses, 1)
  const [seed, edits] = [numberIn('--seed', numbers.seed, 0), numberIn('--edits', numbers.edits, 0)]
  const api = await reachApi(config, { url, makes: true })
  try {
    await store(api, 'New houses', houses, (i) => demoHouse(i, seed))
    const last = await newestId(api)
    /** The change number i: a house of these, and what it becomes. */
    const change = (i: number) => {
      const { address, housing_type } = demoHouse(i, seed + 1)
      return { id: last - below(houses, randomOf(seed + 2, i)), address, housing_type }
    }
    await store(api, 'Changes', edits, change)
    say(`The ids are ${last - houses + 1} to ${last}. The addresses are invented. (${api.where})`)
    if (live) await goOn(api, edits, change)
  } finally {
    await api.close()
  }
}

/** Sends rows through an import. */
async function store(api: Api, what: string, count: number, row: (i: number) => object): Promise<void> {
  if (count === 0) return
  function* lines() {
    for (let i = 0; i < count; i++) yield `${JSON.stringify(row(i))}\n`
  }
  const body = Readable.from(lines(), { objectMode: false }).pipe(progress(what))
  const headers = { 'content-type': 'application/x-ndjson' }
  const { counts, errors } = await importRows(api, '?on_error=skip', { body, headers })
  const { created, updated, unchanged, rejected } = counts
  say(`${what}: ${(created + updated + unchanged).toLocaleString('en')}`)
  if (rejected > 0) say(`  ${rejected.toLocaleString('en')} were rejected. The first: ${errors[0]?.detail}`)
}

async function newestId(api: Api): Promise<number> {
  const { items } = JSON.parse(await textOf(await api.ask('/housing?sort=-id&limit=1')))
  return items[0].id
}

/** Makes one change each second, and prints it. */
async function goOn(api: Api, begin: number, change: (i: number) => HousingPatch & { id: number }): Promise<void> {
  const stopped = new AbortController()
  process.once('SIGINT', () => stopped.abort())
  for (let i = begin; !stopped.signal.aborted; i++) {
    const { id, ...patch } = change(i)
    const headers = { 'content-type': 'application/merge-patch+json', 'if-match': '*' }
    const question = { method: 'PATCH', headers, body: JSON.stringify(patch), accepts: [404] }
    say(await textOf(await api.ask(`/housing/${id}`, question)))
    await sleep(pause, undefined, { signal: stopped.signal }).catch(() => {})
  }
}

function numberIn(option: string, text: string, least: 0 | 1): number {
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text)
  throw new UsageError(`${option} is "${text}": it must be a whole number of at least ${least}.`)
}
