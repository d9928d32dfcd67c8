// Checks the feed: starts a Postgres server and two APIs, changes houses for some time while readers follow, kills
// connections and processes, and compares what each reader got with the change log. Where they differ, it exits with 1.
//   npm run feed:check -- --seconds 600 --changes 100000 --seed 42
import { parseArgs } from 'node:util'
import { checkFeed } from '../test/support/feed/check.ts'
import { startPostgres } from '../test/support/postgres.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string' }, changes: { type: 'string' }, seed: { type: 'string' } },
})
const number = (text: string | undefined, otherwise: number) => (text === undefined ? otherwise : Number(text))
const seed = number(values.seed, Date.now() % 1_000_000)
const changes = number(values.changes, Number.POSITIVE_INFINITY)
const seconds = number(values.seconds, values.changes === undefined ? 600 : Number.POSITIVE_INFINITY)
if ([seed, changes, seconds].some(Number.isNaN)) throw new Error('--seconds, --changes and --seed take a number.')

console.log(`Seed ${seed}`)
const server = await startPostgres()
try {
  const { did, readers, differences } = await checkFeed({
    databaseUrl: server.url,
    seed,
    changes,
    seconds,
    progress: console.log,
  })
  console.table(did)
  console.table(readers)
  for (const difference of differences.slice(0, 20)) console.log(difference)
  console.log(differences.length === 0 ? 'All right' : `${differences.length} differences, with seed ${seed}`)
  process.exitCode = differences.length === 0 ? 0 : 1
} finally {
  await server.stop()
}
