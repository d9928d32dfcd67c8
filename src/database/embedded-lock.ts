import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { connect, createServer, type ListenOptions, type Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

type Release = () => void

const isLinux = process.platform === 'linux'

/** The longest path of a socket in bytes, on every system. */
const maxSocketPath = 103

/** How often a process checks whether later ones have withdrawn, every 50 ms. */
const maxChecks = 10

/**
 * Locks a folder for this process until it ends, however it ends; undefined if another process holds it. The lock
 * reaches into other containers on this machine, not to other machines. Where the file system has no sockets, `warn`
 * gets a line, and the lock reaches only as far as the network namespace (or, where there is none, the machine).
 */
export async function lockFolder(
  folder: string,
  lastHolder: () => number,
  warn: (line: string) => void,
): Promise<Release | undefined> {
  const inNamespace = isLinux ? await holdName(folder) : () => {}
  if (!inNamespace) return undefined
  try {
    const inFolder = await holdSocket(folder)
    if (!inFolder) inNamespace()
    return (
      inFolder &&
      (() => {
        inFolder()
        inNamespace()
      })
    )
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (['EACCES', 'EROFS', 'ENOSPC', 'EDQUOT'].includes(code ?? '')) {
      inNamespace()
      throw error
    }
    warn(
      `${folder} cannot hold a socket (${code ?? message}), so the lock on it does not reach into other containers: do not mount it in two.`,
    )
    return isLinux || !isOther(lastHolder()) ? inNamespace : undefined
  }
}

/** Holds a name of the network namespace, which is the folder's identity. */
async function holdName(folder: string): Promise<Release | undefined> {
  const { dev, ino } = statSync(folder)
  try {
    const server = await listening({ path: `\0sample-api/${dev}/${ino}` })
    return () => server.close()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
}

/**
 * Holds a socket in the folder. Each process listens on a file of its own before it looks for the others', so of two
 * that start at once, at least one sees the other. A file whose process has ended refuses connections and is removed;
 * its name never returns, so nobody can remove the file of a living process. Of two living ones the later withdraws.
 */
async function holdSocket(folder: string): Promise<Release | undefined> {
  const way = shortWay(folder)
  const name = `holder-${Date.now()}-${randomBytes(4).toString('hex')}.socket`
  let server: Server | undefined
  const release = () => {
    rmSync(join(folder, name), { force: true })
    server?.close()
    way.close()
  }
  try {
    server = await listening({ path: join(way.path, `${name}.new`), writableAll: true })
    renameSync(join(folder, `${name}.new`), join(folder, name)) // it is never seen before it accepts connections
    for (let check = 1; ; check++) {
      const others = await livingIn(folder, way.path, name)
      if (others.length === 0) return release
      if (check === maxChecks || others.some((other) => other < name)) break
      await sleep(50)
    }
  } catch (error) {
    release()
    throw error
  }
  release()
  return undefined
}

/** The sockets in the folder, besides this one, whose process lives. */
async function livingIn(folder: string, way: string, own: string): Promise<string[]> {
  const names = readdirSync(folder).filter((name) => /^holder-.*\.socket$/.test(name) && name !== own)
  const lives = await Promise.all(names.map((name) => isAccepting(join(way, name))))
  for (const [i, name] of names.entries()) if (!lives[i]) rmSync(join(folder, name), { force: true })
  return names.filter((_, i) => lives[i])
}

/** Whether a process listens on the socket. In doubt it does. */
const isAccepting = (path: string) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ path })
    socket.once('connect', () => resolve(true))
    socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'))
    socket.once('connect', () => socket.destroy())
  })

/** A path to the folder that is short enough for sockets in it. On Linux any folder has one: its open descriptor. */
function shortWay(folder: string): { path: string; close: () => void } {
  if (isLinux) {
    const descriptor = openSync(folder, 'r')
    const path = `/proc/self/fd/${descriptor}`
    if (existsSync(path)) return { path, close: () => closeSync(descriptor) }
    closeSync(descriptor)
  }
  const longest = join(folder, `holder-${Date.now()}-00000000.socket.new`)
  if (Buffer.byteLength(longest) > maxSocketPath) throw new Error('its path is too long for one')
  return { path: folder, close() {} }
}

function listening(options: ListenOptions): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy()).unref()
    server.once('error', reject)
    server.listen(options, () => resolve(server))
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
