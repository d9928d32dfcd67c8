import { createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { PassThrough, pipeline, type Readable } from 'node:stream'
import { pipeline as copied } from 'node:stream/promises'
import type { Config } from '../config/config.ts'
import { progress } from './progress.ts'
import { type Api, reachApi, textOf } from './reach.ts'
import { say } from './say.ts'
import { UsageError } from './usage-error.ts'

interface Options {
  url?: string
  format?: string
  onError: string
  dryRun?: boolean
  /** The file for the rejected rows. */
  rejected?: string
}

const types: Record<string, string> = { csv: 'text/csv', ndjson: 'application/x-ndjson' }

/** Imports a file, or stdin, and says what became of its rows. The exit code is 1 if some were rejected. */
export async function importFile(config: Config, file: string | undefined, options: Options): Promise<void> {
  const { onError, dryRun = false, rejected, url } = options
  if (!['abort', 'skip'].includes(onError))
    throw new UsageError(`--on-error is "${onError}": it must be abort or skip.`)
  const type = types[options.format ?? (/\.(ndjson|jsonl)(\.gz)?$/i.test(file ?? '') ? 'ndjson' : 'csv')]
  if (!type) throw new UsageError(`--format is "${options.format}": it must be csv or ndjson.`)
  const handle = file === undefined ? undefined : await open(file).catch(unreadable)
  const size = (await handle?.stat())?.size
  const source = handle?.createReadStream() ?? process.stdin
  const api = await reachApi(config, { url, makes: true })
  try {
    const body = pipeline(source, progress('Sent', size), () => {}) // an error ends the request
    const encoding = file?.endsWith('.gz') && { 'content-encoding': 'gzip' }
    const query = `?on_error=${onError}&dry_run=${dryRun}`
    const { counts, errors, isAborted } = await importRows(
      api,
      query,
      { body, headers: { 'content-type': type, ...encoding } },
      rejected,
    )
    say(`${sentence(counts)}: ${api.where}`)
    for (const { line, field, detail } of errors) say(`  line ${line}${field && `, ${field}`}: ${detail}`)
    if (dryRun) say('Nothing was stored: it was a dry run.')
    if (isAborted) say('Nothing was stored: correct the file, or let --on-error skip store the other rows.')
    if (counts.rejected === 0) return
    if (rejected === undefined) say('--rejected <file> writes all rejected rows, with what is wrong with them.')
    else say(`${rejected} has the rejected rows: correct and import them.`)
    process.exitCode = 1
  } finally {
    await api.close()
  }
}

type Counts = Record<'received' | 'created' | 'updated' | 'unchanged' | 'rejected', number>

/** What became of the rows of an import. */
interface Result {
  counts: Counts
  /** The first few, unless the rejected rows are written to a file. */
  errors: { line: number; field: string; detail: string }[]
  /** Whether nothing was stored, because rows were rejected. */
  isAborted: boolean
}

/** How many faults are printed. */
const maxFaults = 20

/** Imports a file over HTTP; `query` has the parameters. `rejected` names a file for the rejected rows. */
export async function importRows(
  api: Api,
  query: string,
  { body, headers }: { body: Readable; headers: Record<string, string> & { 'content-type': string } },
  rejected?: string,
): Promise<Result> {
  const accept = rejected === undefined ? 'application/json' : headers['content-type']
  const question = { method: 'POST', body, headers: { ...headers, accept }, accepts: [422] }
  const answer = await api.ask(`/housing/import${query}`, question)
  const isAborted = answer.statusCode === 422
  const header = answer.headers['import-report']
  if (rejected !== undefined && header !== undefined) {
    const counts = countsIn(String(header))
    await copied(answer, counts.rejected > 0 ? createWriteStream(rejected) : new PassThrough().resume())
    return { counts, errors: [], isAborted }
  }
  const report = JSON.parse(await textOf(answer))
  if (report.received === undefined) throw new Error(`The API answers 422: ${report.detail}`)
  return { counts: report, errors: report.errors.slice(0, maxFaults), isAborted }
}

const countsIn = (header: string): Counts =>
  Object.fromEntries([...header.matchAll(/(\w+)=(\d+)/g)].map(([, name, count]) => [name, Number(count)]))

/** `1,000 rows: 998 created, …` */
function sentence({ received, created, updated, unchanged, rejected }: Counts): string {
  const others = Object.entries({ created, updated, unchanged, rejected })
  return `${received.toLocaleString('en')} rows: ${others.map(([what, count]) => `${count.toLocaleString('en')} ${what}`).join(', ')}`
}

function unreadable({ message }: Error): never {
  throw new UsageError(`The file cannot be read: ${message}.`)
}
