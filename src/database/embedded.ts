import { EventEmitter } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import pg from 'pg'
import { root } from '../root.ts'
import { type Admit, kyselyOver, type OpenDatabase } from './database.ts'
import { type ClaimedFolder, claimFolder, damaged, fileSystemRefusal, unopened } from './embedded-folder.ts'
import { EmbeddedStream } from './embedded-stream.ts'
import { reason } from './errors.ts'
import { Notices } from './listen.ts'
import { reliable } from './pool.ts'
import { setSession } from './session.ts'
import { findTrouble } from './trouble.ts'
import { typeParsers } from './type-parsers.ts'

/**
 * The embedded database (Postgres compiled to WebAssembly) over a folder that this process alone holds.
 * It has one connection, and writes survive a crash of the process, though perhaps not a loss of power.
 */
export async function openEmbedded(path: string, admit: Admit): Promise<OpenDatabase> {
  const folder = resolve(path)
  try {
    const claimed = await claimFolder(folder)
    try {
      return await openClaimed(folder, claimed, admit)
    } catch (error) {
      claimed.release()
      throw error
    }
  } catch (error) {
    throw fileSystemRefusal(folder, error) ?? error
  }
}

async function openClaimed(folder: string, claimed: ClaimedFolder, admit: Admit): Promise<OpenDatabase> {
  const lite = await openLite(folder, claimed)
  const pool = new pg.Pool({
    stream: () => new EmbeddedStream(lite),
    user: 'postgres',
    database: 'postgres',
    onConnect: setSession,
    types: typeParsers,
    max: 1,
    idleTimeoutMillis: 0,
  })
  const channels = new EventEmitter()
  pool.on('connect', (client) => client.on('notification', ({ channel }) => channels.emit(channel)))
  const connections = reliable(pool)
  const db = kyselyOver(connections, admit)
  return {
    db,
    where: `embedded Postgres in ${folder}`,
    findTrouble: () => findTrouble(connections, { pool: connections, db }),
    async withClient(use) {
      const client = await pool.connect()
      try {
        return await use(client)
      } finally {
        client.release()
      }
    },
    listen(channel) {
      const notices = new Notices()
      channels.on(channel, () => notices.add())
      pool.query(`listen ${channel}`).then(
        () => notices.complete(Number.POSITIVE_INFINITY),
        () => {}, // closed already
      )
      return notices
    },
    async close() {
      await db.destroy()
      await lite.close().finally(claimed.release)
    },
  }
}

/** An empty database that the image contains: unpacking it takes half the time of creating one. */
const blank = new URL('dist/blank-database.tar.gz', root)

async function openLite(folder: string, { data, isNew, markReady }: ClaimedFolder) {
  const { PGlite } = await import('@electric-sql/pglite')
  const options = isNew && existsSync(blank) ? { loadDataDir: new Blob([readFileSync(blank)]) } : {}
  const lite = await PGlite.create(data, options).catch((error) => {
    const isDamage = !isNew && !(error instanceof RangeError) // a RangeError is a lack of memory
    throw (isDamage ? damaged : unopened)(folder, reason(error))
  })
  if (isNew) markReady()
  return lite
}
