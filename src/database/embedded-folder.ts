import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { lockFolder } from './embedded-lock.ts'

/** The folder cannot be used as it is; the message says why and what to do. */
export class FolderRefused extends Error {
  /** The SQLSTATE that answers statements while the folder cannot be used. */
  readonly sqlState: string
  constructor(message: string, sqlState = '58030') {
    super(message)
    this.sqlState = sqlState
  }
}

/** Another process uses the folder. */
export class FolderInUse extends FolderRefused {
  readonly holder: string
  /** Where that process listens, if it is an API. */
  readonly url: string | undefined
  constructor(folder: string, { pid, url }: Holder) {
    const holder = `process ${pid || 'unknown'}`
    super(
      `${folder} is in use by ${holder}: only one process can use the embedded database. Stop that process, set another DATA_DIR, or use a Postgres server (POSTGRES_SERVER) for both.`,
    )
    this.holder = holder
    this.url = url
  }
}

/** Receives lines for the log. */
export interface Report {
  info: (line: string) => void
  warn: (line: string) => void
}

export interface ClaimedFolder {
  /** Where Postgres' own files are; without a database in it if `isNew`. */
  data: string
  isNew: boolean
  /** Closes the folder to other users, and makes room for a new database. */
  prepare: () => void
  /** Tells other processes where this one listens. */
  announce: (url: string) => void
  /** Marks the database as complete. Without the mark, the next start creates it again. */
  markReady: () => void
  release: () => void
}

/** Locks the folder for this process and checks it; makes it where there is none. */
export async function claimFolder(folder: string, report: Report): Promise<ClaimedFolder> {
  makeFolder(folder)
  const unlock = await lockFolder(folder, () => holderOf(folder).pid, report.warn)
  if (!unlock) throw new FolderInUse(folder, holderOf(folder))
  const release = () => {
    if (holderOf(folder).pid === process.pid) rmSync(join(folder, holder))
    unlock()
  }
  try {
    const data = join(folder, 'postgres')
    const isNew = !holdsDatabase(folder, data)
    writeFileSync(join(folder, holder), `${process.pid}\n`)
    const prepare = () => {
      closeToOthers(folder, report)
      if (isNew) {
        mark(folder, false)
        clear(data, report)
        mkdirSync(data)
        writeFileSync(join(data, unfinished), '')
      }
      closeToOthers(data, report)
    }
    const markReady = () => {
      rmSync(join(data, unfinished))
      sync(data)
      mark(folder, true)
    }
    const announce = (url: string) => writeFileSync(join(folder, holder), `${process.pid}\n${url}\n`)
    return { data, isNew, prepare, announce, markReady, release }
  } catch (error) {
    release()
    throw error
  }
}

interface Holder {
  pid: number
  url: string | undefined
}

/** The process that uses a folder, or the last one that did: its id, or 0; and where it listens, if it said so. */
function holderOf(folder: string): Holder {
  const path = join(folder, holder)
  const [pid, url] = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []
  return { pid: Number(pid ?? 0), url: url || undefined }
}

/** What is at this path, if anything. Throws for a path below a file, which `throwIfNoEntry` hides since Node 24. */
export function entryAt(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Makes the folder and what is missing above it. (mkdir's own `recursive` never returns for /proc/x.) */
function makeFolder(folder: string): void {
  const found = entryAt(folder)
  if (found?.isDirectory()) return
  if (found) throw unwritable(folder, 'it is a file')
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && lstatSync(folder).isSymbolicLink()) throw unwritable(folder, 'it is a link to nothing')
    if (code === 'ENOENT') throw unwritable(folder, 'no folder can be made there')
    if (code !== 'EEXIST') throw error // another process has just made it
  }
}

/**
 * Takes the access to the folder from all users but its owner and group, because PGlite makes files that everybody may
 * write to. A shared folder, such as /tmp, stays as it is.
 */
function closeToOthers(folder: string, { warn }: Report): void {
  const { mode } = statSync(folder)
  const isShared = (mode & 0o1000) !== 0
  if ((mode & 0o007) === 0 || isShared) return
  try {
    chmodSync(folder, mode & 0o7770)
  } catch {
    warn(`${folder} is open to every user of this machine, and belongs to another one: run \`chmod o-rwx\` on it.`)
  }
}

/** Removes what an interrupted first start left. Anything else may be data, and is moved aside. */
function clear(data: string, { warn }: Report): void {
  if (!existsSync(join(data, 'PG_VERSION')) || existsSync(join(data, unfinished))) {
    rmSync(data, { recursive: true, force: true })
    return
  }
  const aside = `${data}.aside-${new Date().toISOString().replace(/[:.]/g, '-')}`
  renameSync(data, aside)
  warn(
    `${dirname(data)} held a database, although its ${marker} says that none was completed. It is now in ${aside}, and a new one is made. To use it again, stop the program, move it back to ${data} and write "ready":true into ${marker}.`,
  )
}

const holder = 'holder.pid'
const marker = 'sample-api.json'
/** A file in Postgres' folder until its first start has finished: until then there is no data in it. */
const unfinished = 'unfinished'
const format = { format: 1, postgres: 18 }

/**
 * Checks the folder before anything writes to it: PGlite would create a new database over a damaged one. True if it
 * holds a database, false if it is empty or its first start was interrupted.
 */
function holdsDatabase(folder: string, data: string): boolean {
  const file = join(folder, marker)
  if (!existsSync(file)) {
    const isOthers = (name: string) => !/^holder[.-]|^lost\+found$/.test(name) && !name.startsWith(marker) // a volume's own
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

/** Writes the marker in one step, so that neither a crash nor a loss of power can leave half of it, or an older one. */
function mark(folder: string, ready: boolean): void {
  const file = join(folder, marker)
  writeFileSync(`${file}.new`, `${JSON.stringify({ ...format, ready })}\n`)
  sync(`${file}.new`)
  renameSync(`${file}.new`, file)
  sync(folder)
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
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
  new FolderRefused(
    `${folder} is damaged (${what}): restore it from a backup, or set DATA_DIR to another folder.`,
    'XX001',
  )

export const unopened = (folder: string, what: string) =>
  new FolderRefused(
    `The embedded database in ${folder} cannot be opened (${what}). Make sure that 1 GB of memory and some disk space are free, or set POSTGRES_SERVER to use a server.`,
    '53200',
  )

const unwritable = (folder: string, why: string) =>
  new FolderRefused(`${folder} cannot be written to (${why}): make it writable, or set DATA_DIR to a folder that is.`)

const full = (folder: string) =>
  new FolderRefused(
    `${folder} cannot be written to (the disk is full): free some space (a new database takes 50 MB), or set DATA_DIR to a folder on another disk.`,
    '53100',
  )

/** The errors of the file system by their codes: in Node, as PGlite numbers them, and in the words of Postgres. */
const fileSystemErrors = [
  { code: 'EACCES', errno: 2, words: 'Permission denied', why: 'permission denied' },
  { code: 'EPERM', errno: 63, words: 'Operation not permitted', why: 'not permitted' },
  { code: 'EROFS', errno: 69, words: 'Read-only file system', why: 'the file system is read-only' },
  { code: 'ENOTDIR', errno: 54, words: 'Not a directory', why: 'a part of its path is a file' },
  { code: 'ELOOP', errno: 32, words: 'Symbolic link loop', why: 'its path has a link that leads back to itself' },
  { code: 'ENAMETOOLONG', errno: 37, words: 'Filename too long', why: 'its path is too long' },
  { code: 'EIO', errno: 29, words: 'I/O error', why: 'the disk reports an error' },
  { code: 'EMFILE', errno: 33, words: 'No file descriptors available', why: 'too many files are open' },
  { code: 'ENOSPC', errno: 51, words: 'No space left on device', why: 'full' },
  { code: 'EDQUOT', errno: 19, words: 'Quota exceeded', why: 'full' },
]

/** Turns a file system error into a sentence; undefined for any other error. */
export function fileSystemRefusal(folder: string, error: unknown): FolderRefused | undefined {
  const { code, errno, syscall, path, message = '' } = error as NodeJS.ErrnoException
  if (path !== undefined && !path.startsWith(folder) && !folder.startsWith(path)) return undefined // another file
  const isPglites = code === undefined && typeof errno === 'number' && message === ''
  const known = fileSystemErrors.find((each) => (isPglites ? each.errno === errno : syscall && each.code === code))
  if (known) return known.why === 'full' ? full(folder) : unwritable(folder, known.why)
  if (isPglites) return unwritable(folder, `error ${errno}`)
  return syscall === undefined ? undefined : unwritable(folder, code ?? message)
}

/** Turns the message with which Postgres ended itself into a sentence, if it is about the file system. */
export function fileSystemRefusalIn(folder: string, fatalMessage: string): FolderRefused | undefined {
  const known = fileSystemErrors.find(({ words }) => fatalMessage.endsWith(`: ${words}`))
  return known && (known.why === 'full' ? full(folder) : unwritable(folder, known.why))
}
