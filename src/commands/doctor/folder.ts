import { cp, mkdtemp, readdir, rm, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import type { OpenDatabase } from '../../database/database.ts'
import {
  claimFolder,
  damaged,
  entryAt,
  FolderInUse,
  FolderRefused,
  fileSystemRefusal,
} from '../../database/embedded-folder.ts'
import { reason } from '../../database/errors.ts'
import { openDatabase } from '../../database/open.ts'
import { ask } from '../health.ts'
import { failed, type Outcome, ok, skipped, warning } from './findings.ts'
import { readEverything } from './queries.ts'

const megabyte = 1024 * 1024
/** How much space should be left on the disk, in bytes: below the first it fails, below the second it warns. */
const [leastSpace, enoughSpace] = [100 * megabyte, 1024 * megabyte]

/** How much space the disk has on which a folder is, or will be. */
export async function checkDisk(folder: string): Promise<Outcome> {
  let existing = resolve(folder)
  while (!entryAt(existing) && existing !== dirname(existing)) existing = dirname(existing)
  const { bavail, bsize, files, ffree } = await statfs(existing)
  const free = bavail * bsize
  const found = `${size(free)} free on the disk of ${folder}`
  if (free < leastSpace) return failed(found, 'Free some space, or move DATA_DIR to another disk: writes fail without.')
  if (files > 0 && ffree < 1000)
    return failed(
      `No more than ${ffree} files can be made on the disk of ${folder}`,
      'Delete files that are not needed.',
    )
  if (free < enoughSpace) return warning(found, 'Free some space before writes fail.')
  return ok(found)
}

/** What is known of the folder of the embedded database, and the database where it can be used. */
export interface Examination {
  outcome: Outcome
  /** A copy: even opening the folder itself would write to it. */
  database?: OpenDatabase
  close(): Promise<void>
}

/** Examines the folder. If it is sound and nobody uses it, there is a copy of its database. Throws nothing that it finds. */
export async function examineFolder(folder: string): Promise<Examination> {
  const copy = await mkdtemp(join(tmpdir(), 'sample-api-doctor-')).catch(() => '') // '' where none can be made
  const removeCopy = () => rm(copy, { recursive: true, force: true })
  try {
    const outcome = await copyFolder(folder, copy)
    if (outcome) return { outcome, close: removeCopy }
    const database = await openDatabase({ kind: 'embedded', folder: copy })
    const close = () => database.close().finally(removeCopy)
    try {
      await database.withClient(readEverything)
      return { outcome: ok(`${folder} is sound, and not in use: all of it can be read`), database, close }
    } catch (error) {
      return { outcome: failed(damaged(folder, reason(error)).message), close }
    }
  } catch (error) {
    const refusal = error instanceof FolderRefused ? error : fileSystemRefusal(folder, error)
    if (!refusal) await removeCopy()
    if (!refusal) throw error
    if (refusal instanceof FolderInUse) return { outcome: await askHolder(folder, refusal), close: removeCopy }
    return { outcome: failed(refusal.message.replaceAll(copy || folder, folder)), close: removeCopy }
  }
}

/** Copies the folder while nobody can use it. Answers why not, where there is nothing to copy or no place for it. */
async function copyFolder(folder: string, copy: string): Promise<Outcome | undefined> {
  if (!entryAt(folder))
    return warning(
      `There is no database in ${folder} yet`,
      'The first start makes one. If one should be there, check DATA_DIR.',
    )
  const claimed = await claimFolder(folder, { info() {}, warn() {} })
  try {
    if (claimed.isNew) return warning(`There is no database in ${folder} yet`, 'The first start makes one there.')
    if (!copy)
      return skipped(
        `${folder} was not opened: its copy needs a temporary folder. Set TMPDIR to one that can be written to`,
      )
    const { bavail, bsize } = await statfs(copy)
    const needed = await sizeOf(folder)
    if (needed > bavail * bsize)
      return skipped(`${folder} was not opened: the copy that is opened instead needs ${size(needed)} in ${tmpdir()}`)
    const isPart = (path: string) => !/^(holder[.-]|postgres\.aside-)/.test(basename(path))
    await cp(folder, copy, { recursive: true, filter: isPart })
    return undefined
  } finally {
    claimed.release()
  }
}

/** What the API says that uses the folder. */
async function askHolder(folder: string, { holder, url }: FolderInUse): Promise<Outcome> {
  const inUse = `${folder} is in use by ${holder}`
  if (url === undefined)
    return warning(`${inUse}, which is not an API that serves`, 'Run doctor again once it serves, or has ended.')
  try {
    const { status, body } = await ask(`${url}/readyz`)
    if (status === 200) return ok(`${inUse}, the API at ${url}, which is ready`)
    return failed(`${inUse}, the API at ${url}, which is not ready: ${body.replace(/\s+/g, ' ').slice(0, 1000)}`)
  } catch (error) {
    return failed(`${inUse}, an API. ${reason(error)}`, 'See its log, or stop it and run doctor again.')
  }
}

/** The size of all files in a folder, in bytes. */
async function sizeOf(folder: string): Promise<number> {
  const files = await readdir(folder, { recursive: true })
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).size))
  return sizes.reduce((sum, size) => sum + size, 0)
}

const size = (bytes: number) => `${Math.round(bytes / megabyte).toLocaleString('en')} MB`
