import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { type IncomingMessage, type RequestOptions, request } from 'node:http'
import { request as secureRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline, Readable } from 'node:stream'
import type { Config } from '../config/config.ts'
import type { ProblemDocument } from '../contract/problems.ts'
import { FolderInUse } from '../database/embedded-folder.ts'
import { openDatabase } from '../database/open.ts'
import { createLog } from '../log.ts'
import { bringUpOnce } from '../migrations/bring-up.ts'
import { readMigrations } from '../migrations/files.ts'
import { createServer } from '../server.ts'
import { version } from '../version.ts'
import { requireSchema } from './require-schema.ts'
import { say } from './say.ts'
import { UsageError } from './usage-error.ts'

/** The API that a command uses. */
export interface Api {
  /** Where it is, or its database, for people. */
  where: string
  /** Sends a request to a path below `/api/v2`. Rejects if it fails, unless with a status of `accepts`. */
  ask(path: string, question?: Question): Promise<IncomingMessage>
  close(): Promise<void>
}

interface Question {
  method?: string
  headers?: Record<string, string>
  body?: Readable | string
  accepts?: number[]
}

interface Options {
  /** Of a running API; undefined for that over the database of the settings. */
  url: string | undefined
  /** Whether an embedded database is made where there is none. */
  makes: boolean
}

/**
 * The API at a URL; or over the database of the settings: the one that runs on the embedded database, or otherwise one in
 * this process, which nobody else can reach.
 */
export async function reachApi(config: Config, { url, makes }: Options): Promise<Api> {
  if (url !== undefined) return apiAt(url, config)
  try {
    return await ownApi(config.database, makes)
  } catch (error) {
    if (error instanceof FolderInUse && error.url !== undefined) return apiAt(error.url, config)
    throw error
  }
}

function apiAt(text: string, { apiKey }: Config): Api {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol))
    throw new UsageError(`--url is "${text}": it must be the URL of an API, such as https://api.example.org.`)
  const { protocol, hostname, port, pathname } = url
  return {
    where: url.href,
    ask: (path, question = {}) =>
      send(
        { protocol, hostname: hostname.replace(/^\[|\]$/g, ''), port, path: pathname.replace(/\/$/, '') + below(path) },
        { ...question, headers: { ...question.headers, ...(apiKey && { authorization: `Bearer ${apiKey}` }) } },
      ),
    async close() {},
  }
}

async function ownApi(settings: Config['database'], makes: boolean): Promise<Api> {
  const isMissing = settings.kind === 'embedded' && !existsSync(settings.folder)
  if (isMissing && !makes) throw new Error(`There is no database in ${settings.folder}: set DATA_DIR, or --url.`)
  const database = await openDatabase(settings, undefined, { info: say, warn: say })
  const folder = await mkdtemp(join(tmpdir(), 'sample-api-'))
  const close = async () => {
    await database.close()
    await rm(folder, { recursive: true })
  }
  try {
    if (isMissing) await bringUpOnce(database, readMigrations())
    else await requireSchema(database)
    const { app } = await createServer({
      database,
      readiness: { schema: { expected: '', found: '', ready: true }, draining: false },
      access: { auth: 'open', anonymous: [], tokens: undefined, rateLimit: Number.POSITIVE_INFINITY },
      log: createLog('silent'),
      hosts: '*',
      origins: [],
      trustProxy: [],
      version,
    })
    const socketPath = join(folder, 'api')
    await app.listen({ path: socketPath })
    return {
      where: database.where,
      ask: (path, question = {}) => send({ socketPath, path: below(path) }, question),
      async close() {
        await app.close()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

const below = (path: string) => `/api/v2${path}`

function send(to: RequestOptions, { method = 'GET', headers = {}, body, accepts = [] }: Question) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const fail = ({ message }: Error) => reject(new Error(`The API did not answer: ${message}.`))
    const begin = to.protocol === 'https:' ? secureRequest : request
    const sent = begin({ ...to, method, headers }, (answer) => {
      const { statusCode = 0 } = answer
      if (statusCode < 400 || accepts.includes(statusCode)) resolve(answer)
      else failureOf(answer).then(reject, fail)
    }).on('error', fail)
    if (body instanceof Readable) pipeline(body, sent, (error) => error && fail(error))
    else sent.end(body)
  })
}

async function failureOf(answer: IncomingMessage): Promise<Error> {
  const text = await textOf(answer)
  try {
    const { status, detail } = JSON.parse(text) as ProblemDocument
    return new Error(`The API answers ${status}: ${detail}`)
  } catch {
    return new Error(`The API answers ${answer.statusCode}, but not as this API does. Check --url.`)
  }
}

/** The whole body of an answer. */
export const textOf = async (answer: IncomingMessage): Promise<string> =>
  (await answer.setEncoding('utf8').toArray()).join('')
