import { existsSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { Readable, type Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import { type Counts, writeBackup } from '../backup/backup.ts'
import type { Config } from '../config/config.ts'
import { version } from '../version.ts'
import { openAlone } from './open-alone.ts'
import { progress } from './progress.ts'
import { requireSchema } from './require-schema.ts'
import { say } from './say.ts'
import { UsageError } from './usage-error.ts'

/** Writes all data to a file, which appears once it is complete, or to stdout (`-`). */
export async function backup(config: Config, file: string, { force = false }: { force?: boolean }): Promise<void> {
  const isStdout = file === '-'
  if (isStdout && process.stdout.isTTY)
    throw new UsageError('stdout is a terminal: name a file, or send stdout to one.')
  if (!isStdout && !force && existsSync(file))
    throw new UsageError(`${file} exists: name another file, or replace it with --force.`)
  await openAlone(config.database, { makes: false }, async (database) => {
    const schema = await requireSchema(database)
    const write = (output: Writable, options = {}) =>
      database.withClient(async (client) => {
        const counts: Counts = {}
        const lines = writeBackup(client, { release: version, schema }, counts)
        await pipeline(Readable.from(lines, { objectMode: false }), progress('Read'), createGzip(), output, options)
        return counts
      })
    const counts = isStdout ? await write(process.stdout, { end: false }) : await writeFile(file, write)
    say(`${isStdout ? 'The backup' : file} is complete: ${database.where}`)
    sayCounts(counts)
    say('Not in it: the stored answers of requests with an Idempotency-Key, and imports that were not applied.')
  })
}

/** Writes to a file of another name, which gets the right one once all of it is on the disk. Only its owner may read it. */
async function writeFile(file: string, write: (output: Writable) => Promise<Counts>): Promise<Counts> {
  const unfinished = `${file}.unfinished`
  await rm(unfinished, { force: true }) // with the rights of somebody else, perhaps
  try {
    const handle = await open(unfinished, 'wx', 0o600).catch(unwritable)
    const counts = await write(handle.createWriteStream({ flush: true }))
    await rename(unfinished, file)
    return counts
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
}

function unwritable({ message }: Error): never {
  throw new UsageError(`The file cannot be written: ${message}. Name one in a folder that this user may write to.`)
}

/** A line for each table. */
export function sayCounts(counts: Counts): void {
  const width = Math.max(...Object.keys(counts).map((name) => name.length))
  for (const [name, count] of Object.entries(counts)) say(`  ${name.padEnd(width)}  ${count.toLocaleString('en')}`)
}
