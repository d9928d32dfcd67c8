import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import pg from 'pg'
import { startProgram } from '../restartable.ts'
import { disturb } from './hazards.ts'
import { kinds, Reader } from './readers.ts'
import { type Change, Round } from './round.ts'
import { write } from './writers.ts'

const writers = 8
const readersOfEachKind = 2

/** How long all readers may get nothing, once the writers have ended, before they are taken to miss something. */
const patience = 60_000

export interface CheckOptions {
  /** An empty database. */
  databaseUrl: string
  seed: number
  /** The round ends after so many seconds, or so many changes. */
  seconds?: number
  changes?: number
  /** Gets a line now and then. */
  progress?: (line: string) => void
}

/**
 * Lets writers change houses over SQL and over two APIs, while readers follow the feed of these, and connections and APIs
 * are killed. Then each reader must have got what is in the change log: each change once, and the versions of each house
 * in order. Answers what was done, and the differences.
 */
export async function checkFeed({
  databaseUrl,
  seed,
  seconds = 600,
  changes = Number.POSITIVE_INFINITY,
  progress,
}: CheckOptions) {
  const env = { DATABASE_URL: databaseUrl }
  const programs = [await startProgram(env), await startProgram(env)] // the first migrates
  const round = new Round(
    seed,
    programs.map(({ url }) => url),
  )
  const readers = kinds.flatMap((kind) =>
    Array.from({ length: readersOfEachKind }, (_, i) => new Reader(round, kind, i + 1)),
  )
  const reading = Promise.all(readers.map((reader) => reader.read()))
  const writing = Promise.all(Array.from({ length: writers }, (_, i) => write(round, databaseUrl, i + 1)))
  const disturbing = disturb(round, databaseUrl, programs)
  for (const task of [reading, writing, disturbing]) task.catch(() => round.stop())
  try {
    const end = performance.now() + seconds * 1000
    const goesOn = () => round.isRunning && performance.now() < end && round.counts.changes < changes
    for (let next = 0; goesOn(); await sleep(100)) {
      if (round.counts.changes < next) continue
      progress?.(`${round.counts.changes} changes, ${round.differences.length} differences`)
      next += 10_000
    }
    round.stop()
    await writing
    const killed = await disturbing
    const log = await changeLog(databaseUrl)
    round.total = log.length
    await untilRead(reading, readers)
    for (const program of programs) await program.kill()
    return {
      did: { ...round.counts, changes: log.length, ...killed },
      readers: readers.map(({ name, seen, resumptions }) => ({ name, seen, resumptions })),
      differences: [...round.differences, ...differencesOf(round, readers, log)],
    }
  } finally {
    round.stop()
    round.end.abort()
    await Promise.allSettled([reading, writing, disturbing])
    await Promise.allSettled(programs.map((program) => program.kill()))
  }
}

/** Until all have ended, or for long none has got anything. */
async function untilRead(reading: Promise<unknown>, readers: Reader[]): Promise<void> {
  let hasEnded = false
  const end = reading.finally(() => {
    hasEnded = true
  })
  const seen = () => readers.reduce((sum, reader) => sum + reader.seen, 0)
  for (let [before, since] = [seen(), performance.now()]; !hasEnded; ) {
    await Promise.race([end, sleep(100)])
    if (seen() > before) [before, since] = [seen(), performance.now()]
    if (performance.now() > since + patience) return
  }
}

/** The change log as the feed must have it, but for the positions. */
async function changeLog(databaseUrl: string): Promise<Omit<Change, 'position'>[]> {
  const client = new pg.Client(databaseUrl)
  await client.connect()
  const { rows } = await client.query(`select at, by, operation, housing_id as id, version, address, street, city,
    postal_code, housing_type, created_at, updated_at from housing.changes`)
  await client.end()
  const log = rows.map(({ at, by, operation, version, ...house }) => ({
    ...{ at, by, operation, id: house.id, version },
    house: { ...house, version: operation === 'deleted' ? version - 1 : version },
  }))
  return JSON.parse(JSON.stringify(log)) // the times as text
}

/** What the readers lack, and what they got that is not in the log, or is there more than once in the feed. */
function differencesOf({ told }: Round, readers: Reader[], log: Omit<Change, 'position'>[]): string[] {
  const keyOf = ({ id, version }: { id: number; version: number }) => `version ${version} of house ${id}`
  const expected = new Map(log.map((change) => [keyOf(change), change]))
  const found: string[] = []
  for (const { position, ...change } of told.values()) {
    const logged = expected.get(keyOf(change))
    const what = `Position ${position}: ${JSON.stringify(change)}`
    if (!logged) found.push(`${what} is not in the change log, or came before`)
    else if (!isDeepStrictEqual(change, logged)) found.push(`${what} is in the change log as ${JSON.stringify(logged)}`)
    expected.delete(keyOf(change))
  }
  for (const key of expected.keys()) found.push(`Nobody got ${key}`)
  for (const reader of readers) {
    const missing = reader.missing()
    if (missing.length > 0) found.push(`${reader.name}: ${missing.length} are missing, the first at ${missing[0]}`)
  }
  return found
}
