// Imports and exports of many houses, compared with psql's \copy of the same rows on the same table with its triggers.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { demoHouse } from '../src/housing/demo/houses.ts'
import { ownColumns } from '../src/housing/schemas.ts'
import { memoryOf } from '../test/support/memory.ts'
import { withHouses } from './houses.ts'
import { median, startProgram } from './pairs.ts'

const count = Number(process.env.ROWS ?? 500_000)
const rounds = Number(process.env.ROUNDS ?? 3)

const folder = await mkdtemp(join(tmpdir(), 'sample-api-'))
const [file, out] = [join(folder, 'in.csv'), join(folder, 'out')]

/** The same houses as psql and as an import take them: psql needs the id of the type. */
function* lines(isForPsql: boolean) {
  const ids = { SFD: 1, MFD: 2, COP: 3, ASL: 4 }
  if (!isForPsql) yield `${[...ownColumns, 'housing_type'].join()}\n`
  for (let i = 0; i < count; i++) {
    const { housing_type, ...house } = demoHouse(i, 1)
    const type = isForPsql ? ids[housing_type as keyof typeof ids] : housing_type
    yield `${Object.values(house).join()},${type}\n`
  }
}

await pipeline(Readable.from(lines(false)), createWriteStream(file))
await pipeline(Readable.from(lines(true)), createWriteStream(`${file}.psql`))

const list =
  `select h.id, h.address, h.street, h.city, h.postal_code, t.code as housing_type, h.version, h.created_at, h.updated_at
  from housing.housing h join housing.housing_types t on t.id = h.housing_type_id order by h.id`.replace(/\s+/g, ' ')

await withHouses(async (DATABASE_URL) => {
  const psql = (command: string) =>
    promisify(execFile)('psql', ['-qX', '-v', 'ON_ERROR_STOP=1', '-c', command, DATABASE_URL])
  const { url, pid, stop } = await startProgram(DATABASE_URL)
  const empty = async () => {
    await psql(`alter table housing.housing disable trigger log_truncate;
      truncate housing.feed, housing.changes, housing.housing restart identity;
      alter table housing.housing enable trigger log_truncate`)
    await psql('vacuum')
  }
  // Plain sockets and streams, as the streams of fetch take as long as the rest.
  const answered = async (path: string, method = 'GET', body = Readable.from([])) => {
    const asked = request(`${url}/api/v2/housing/${path}`, { method, headers: { 'content-type': 'text/csv' } })
    const [[answer]] = await Promise.all([once(asked, 'response'), pipeline(body, asked)])
    await pipeline(answer, createWriteStream(out))
    if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${readFileSync(out, 'utf8')}`)
  }
  const copyIn = `\\copy housing.housing (${ownColumns.join()}, housing_type_id) from '${file}.psql' csv`
  const importing = () => answered('import', 'POST', createReadStream(file))
  const before = memoryOf(pid)
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, memoryOf(pid))
  }, 100)
  await compare('import', () => psql(copyIn), importing, empty)
  clearInterval(timer)
  process.stdout.write(
    `memory of the process during the imports: ${before.toFixed(0)} MB before, ${most.toFixed(0)} MB at most\n`,
  )
  // What only the first exports after an import pay for: old statistics, positions in the feed, code that is not compiled yet.
  await psql('analyze')
  for (let done = 0; done < count; done += 50_000) await psql('select housing.number_changes()')
  await answered('export?format=csv')
  await compare(
    'export as CSV',
    () => psql(`\\copy (${list}) to '${out}' csv header`),
    () => answered('export?format=csv'),
  )
  await compare(
    'export as NDJSON',
    () => psql(`\\copy (select row_to_json(h) from (${list}) h) to '${out}'`),
    () => answered('export?format=ndjson'),
  )
  await stop()
})
await rm(folder, { recursive: true })

/** Prints how fast the second is as a multiple of the first: they take turns. */
async function compare(
  title: string,
  first: () => Promise<unknown>,
  second: () => Promise<unknown>,
  before: () => Promise<unknown> = async () => {},
) {
  const ratios: number[] = []
  for (let round = 0; round < rounds; round++) {
    await before()
    const one = await time(first)
    await before()
    const other = await time(second)
    ratios.push(one / other)
  }
  const all = ratios.map((ratio) => ratio.toFixed(2)).join(', ')
  process.stdout.write(`${title}: ${median(ratios).toFixed(2)} of psql's \\copy (${all}; ${count} rows)\n`)
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}
