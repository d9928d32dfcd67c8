import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'

/** The folder cannot be used as it is; the message says why and what to do. */
export class FolderRefused extends Error {}

export interface ClaimedFolder {
  /** Where Postgres' own files are; empty unless the folder holds a database already. */
  data: string
  isNew: boolean
  /** Marks the database as complete. Without the mark, the next start creates it again. */
  markReady: () => void
  release: () => void
}

/** Locks the folder for this process, checks it, and removes what an interrupted first start left. */
export async function claimFolder(folder: string): Promise<ClaimedFolder> {
  mkdirSync(folder, { recursive: true, mode: 0o700 }) // PGlite makes the files in it readable to everybody
  const release = await lock(folder)
  try {
    const data = join(folder, 'postgres')
    const isNew = !holdsDatabase(folder, data)
    writeFileSync(join(folder, holder), `${process.pid}\n`)
    if (isNew) {
      mark(folder, false)
      rmSync(data, { recursive: true, force: true })
    }
    return { data, isNew, markReady: () => mark(folder, true), release }
  } catch (error) {
    release()
    throw error
  }
}

/**
 * Locks the folder for this process until it ends, however it ends. On Linux the lock is an abstract socket, elsewhere
 * the file with the holder's process id. Neither reaches into another container.
 */
async function lock(folder: string): Promise<() => void> {
  const file = join(folder, holder)
  const pid = () => (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0)
  const socket = process.platform === 'linux' ? await holdSocket(folder) : undefined
  if (process.platform === 'linux' ? !socket : isOther(pid()))
    throw new FolderRefused(
      `${folder} is in use by process ${pid() || 'unknown'}: only one process can use the embedded database. Stop that process, set another DATA_DIR, or use a Postgres server (POSTGRES_SERVER) for both.`,
    )
  return () => {
    if (pid() === process.pid) rmSync(file)
    socket?.close()
  }
}

/** Holds a socket whose name is the folder's identity; undefined where another process holds it. */
function holdSocket(folder: string): Promise<Server | undefined> {
  const { dev, ino } = statSync(folder)
  return new Promise((resolve, reject) => {
    const server = createServer().unref()
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    )
    server.listen(`\0sample-api/${dev}/${ino}`, () => resolve(server))
  })
}

function isOther(pid: number): boolean {
  if (!pid || pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const holder = 'holder.pid'
const marker = 'sample-api.json'
const format = { format: 1, postgres: 18 }

/**
 * Checks the folder before anything writes to it: PGlite would create a new database over a damaged one. True if it
 * holds a database, false if it is empty or its first start was interrupted.
 */
function holdsDatabase(folder: string, data: string): boolean {
  const file = join(folder, marker)
  if (!existsSync(file)) {
    const isOthers = (name: string) => name !== holder && !name.startsWith(marker) && name !== 'lost+found' // a volume's own
    const inside = readdirSync(folder).filter(isOthers)
    if (inside.length === 0) return false
    throw new FolderRefused(
      `${folder} contains other files (${inside.slice(0, 3).join(', ')}): set DATA_DIR to a new or an empty folder.`,
    )
  }
  const found = readMarker(file)
  if (found?.format !== format.format || found.postgres !== format.postgres)
    throw new FolderRefused(
      `${file} has a format that this release does not read: run the release that created the folder.`,
    )
  const damage = found.ready && damageOf(data)
  if (damage) throw damaged(folder, damage)
  return found.ready === true
}

function readMarker(file: string): { format?: number; postgres?: number; ready?: boolean } | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Writes the marker in one step, so that a crash cannot leave half of it. */
function mark(folder: string, ready: boolean): void {
  const file = join(folder, marker)
  writeFileSync(`${file}.new`, `${JSON.stringify({ ...format, ready })}\n`)
  renameSync(`${file}.new`, file)
}

/** What Postgres cannot do without, as far as that can be checked without starting it. */
const parts = [
  ...['PG_VERSION', 'base', 'global/pg_control', 'pg_commit_ts', 'pg_hba.conf', 'pg_multixact', 'pg_notify'],
  ...['pg_replslot', 'pg_twophase', 'pg_wal', 'pg_xact', 'postgresql.conf'],
]

function damageOf(data: string): string | undefined {
  const missing = parts.find((name) => !existsSync(join(data, name)))
  if (missing) return `${missing} is missing`
  const control = readFileSync(join(data, 'global/pg_control'))
  if (control.length !== 8192 || control.readUInt32LE(8) !== format.postgres * 100) return 'global/pg_control is broken'
  if (!readdirSync(join(data, 'pg_wal')).some((name) => /^[0-9A-F]{24}$/.test(name))) return 'pg_wal is empty'
  return undefined
}

export const damaged = (folder: string, what: string) =>
  new FolderRefused(`${folder} is damaged (${what}): restore it from a backup, or set DATA_DIR to another folder.`)

export const unopened = (folder: string, what: string) =>
  new FolderRefused(
    `The embedded database in ${folder} cannot be opened (${what}). Make sure that 1 GB of memory and some disk space are free, or set POSTGRES_SERVER to use a server.`,
  )

/** Turns a file system error into a sentence; undefined for any other error. */
export function fileSystemRefusal(folder: string, error: unknown): FolderRefused | undefined {
  const { code = '', path } = error as NodeJS.ErrnoException
  if (path === undefined) return undefined
  const why = {
    EACCES: 'permission denied',
    EPERM: 'not permitted',
    EROFS: 'the file system is read-only',
    EEXIST: 'it is a file',
    ENOTDIR: 'a part of its path is a file',
    ENOSPC: 'the disk is full',
  }[code]
  return new FolderRefused(
    `${folder} cannot be written to (${why ?? code}): make it writable, or set DATA_DIR to a folder that is.`,
  )
}
