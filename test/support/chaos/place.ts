import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { type PostgresServer, startPostgres } from '../postgres.ts'
import { startProxy } from '../proxy.ts'
import { type Program, startProgram } from '../restartable.ts'

export type Backend = 'server' | 'embedded'

/** Where the faults happen: programs, and what only a server has. */
export interface Place {
  programs: Program[]
  server?: PostgresServer
  /** The network between the programs and the server. */
  network?: Awaited<ReturnType<typeof startProxy>>
  /** Until nobody works in the database any more, though the programs have ended. */
  isQuiet: () => Promise<void>
  close: () => Promise<void>
}

/** One program on an empty embedded database; or two on an empty server, which they reach over a network of their own. */
export async function openPlace(backend: Backend, env: Record<string, string> = {}): Promise<Place> {
  const opened: (() => unknown)[] = []
  const close = async () => {
    for (const end of opened.toReversed()) await end()
  }
  const programs: Program[] = []
  const begin = async (more: Record<string, string>) => {
    const program = await startProgram({ ...more, ...env })
    opened.push(() => program.kill().catch(() => {})) // it may have ended
    programs.push(program)
  }
  try {
    if (backend === 'embedded') {
      const folder = await mkdtemp(join(tmpdir(), 'sample-api-'))
      opened.push(() => rm(folder, { recursive: true }))
      await begin({ DATA_DIR: join(folder, 'data') })
      return { programs, isQuiet: async () => {}, close }
    }
    const server = await startPostgres()
    opened.push(server.stop)
    const url = new URL(server.url)
    const network = await startProxy(Number(url.port))
    opened.push(network.close)
    url.port = `${network.port}`
    for (let i = 0; i < 2; i++) await begin({ DATABASE_URL: url.href }) // the first migrates
    return { programs, server, network, isQuiet: () => isQuiet(server), close }
  } catch (error) {
    await close()
    throw error
  }
}

async function isQuiet({ url }: PostgresServer): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  const others = `select from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()`
  while ((await client.query(others)).rowCount !== 0) await sleep(50)
  await client.end()
}
