import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { readConfig } from '../../src/config/config.ts'
import type { ServerSettings } from '../../src/config/database-settings.ts'
import { openDatabase } from '../../src/database/open.ts'
import { bringUpOnce } from '../../src/migrations/bring-up.ts'
import { readMigrations } from '../../src/migrations/files.ts'
import { type PostgresServer, startPostgres } from './postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of a migrated embedded database, to copy. */
    template: string
    /** A server on which tests create and drop their own databases. */
    serverUrl: string
    /** The roles on it that stand for registry_owner and registry_app. */
    roles: { owner: string; app: string; password: string }
  }
}

/** Makes what every test file starts from: the built program, a migrated embedded database and a server. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  await promisify(execFile)(process.execPath, [fileURLToPath(new URL('../../scripts/prepare.mjs', import.meta.url))])
  const folder = await mkdtemp(join(tmpdir(), 'sample-api-'))
  const template = join(folder, 'template')
  const database = await openDatabase({ kind: 'embedded', folder: template })
  await bringUpOnce(database, readMigrations())
  await database.close()
  const given = readConfig(process.env).database
  const server: Pick<PostgresServer, 'url' | 'stop'> =
    given.kind === 'server' ? { url: urlOf(given), stop: async () => {} } : await startPostgres()
  project.provide('template', template)
  project.provide('serverUrl', server.url)
  const id = randomUUID().replaceAll('-', '')
  const roles = { owner: `test_owner_${id}`, app: `test_app_${id}`, password: id }
  const { owner, app, password } = roles
  await onServer(
    server.url,
    `create role ${owner} login password '${password}'; grant ${owner} to current_user;
     create role ${app} login password '${password}'`,
  )
  project.provide('roles', roles)
  return async () => {
    await onServer(server.url, `drop role ${owner}, ${app}`).catch(() => {}) // a broken test left a database of theirs
    await server.stop()
    await rm(folder, { recursive: true })
  }
}

async function onServer(url: string, statements: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(statements).finally(() => client.end())
}

/** The settings as a DATABASE_URL, in which tests can replace the database. */
function urlOf({ host, port, user, password, database, sslMode }: ServerSettings): string {
  const [name, secret, path] = [user, password, database].map(encodeURIComponent)
  const server = host.includes(':') ? `[${host}]` : encodeURIComponent(host)
  return `postgres://${name}:${secret}@${server}:${port}/${path}?sslmode=${sslMode}`
}
