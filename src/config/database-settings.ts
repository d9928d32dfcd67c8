import { isIP } from 'node:net'
import type { Environment } from './environment.ts'
import { isLoopback } from './host-names.ts'
import { settings, sslModes } from './settings.ts'

/** How to reach a Postgres server. */
export interface ServerSettings {
  kind: 'server'
  host: string
  port: number
  user: string
  password: string
  /** Where it is read again for each new connection, as it may be replaced. */
  passwordFile?: string | undefined
  database: string
  sslMode: (typeof sslModes)[number]
  /** The most connections for requests. */
  connections: number
}

export type DatabaseSettings = ServerSettings | { kind: 'embedded'; folder: string }

/** The server that the variables name, or else the embedded database. */
export function databaseSettings(env: Environment): DatabaseSettings {
  const urls = ['DATABASE_URL', 'DATABASE_URL_FILE'].filter((name) => env.given(name))
  const all = env.names('POSTGRES_')
  const parts = all.filter((name) => name !== 'POSTGRES_POOL') // the others name the server
  if (urls.length > 0 && parts.length > 0)
    env.problems.push(`${[...urls, ...parts].join(', ')} are set: keep either DATABASE_URL or POSTGRES_*.`)
  if (urls.length === 0 && all.length === 0) return { kind: 'embedded', folder: env.text('DATA_DIR') }
  const server = urls.length > 0 ? fromUrl(env) : fromParts(env, parts)
  warnOfTransport(env, server)
  return server
}

/** Does not quote the host: it may hold part of a mistyped URL. */
function warnOfTransport(env: Environment, { host, sslMode }: ServerSettings): void {
  if (host.startsWith('/')) return
  if (sslMode === 'disable' && !isLoopback(host))
    env.warnings.push(
      'The database is on another machine, and the connection to it is not encrypted: set POSTGRES_SSLMODE (sslmode in DATABASE_URL) to verify-full.',
    )
  if (sslMode === 'require')
    env.warnings.push(
      'sslmode is require: the connection to the database is encrypted, but the server is not verified. verify-full verifies it.',
    )
}

/** No message quotes the URL: one character that is not encoded can shift the password into any other part. */
const urlForm = new RegExp(
  [
    '^postgres(ql)?://',
    '((?<user>[^:@/?#]*)(:(?<password>[^@/?#]*))?@)?',
    '(?<server>[^@/?#]*)',
    '(/(?<database>[^@/?#]*))?',
    `(\\?sslmode=(?<sslMode>${sslModes.join('|')}))?$`,
  ].join(''),
)
const urlRule = [
  'DATABASE_URL must be postgres://user:password@host:5432/database?sslmode=disable; each part may be omitted;',
  'within a part, write % as %25, @ as %40, / as %2F, ? as %3F and # as %23;',
  `sslmode must be one of ${sslModes.join(', ')}; no other parameter is supported.`,
].join(' ')

function fromUrl(env: Environment): ServerSettings {
  const url = env.secret('DATABASE_URL')
  const parts = url && decodedParts(url.trim())
  if (url && !parts) env.problems.push(urlRule)
  const stray = env.strayEnd('DATABASE_URL', url ?? '')
  if (stray) env.problems.push(`${stray}: remove it.`)
  const { server, user, password, database, sslMode } = parts || {}
  return {
    kind: 'server',
    host: server?.host ?? settings.POSTGRES_SERVER.default,
    port: server?.port ?? Number(settings.POSTGRES_PORT.default),
    user: user || settings.POSTGRES_USER.default,
    password: password || settings.POSTGRES_PASSWORD.default,
    database: database || settings.POSTGRES_DB.default,
    sslMode: (sslMode || settings.POSTGRES_SSLMODE.default) as ServerSettings['sslMode'],
    connections: connections(env),
  }
}

/** The parts of a URL, empty where left out; undefined where the URL, or its server, has another form. */
function decodedParts(url: string) {
  const parts = urlForm.exec(url)?.groups
  try {
    const decoded = (name: string) => decodeURIComponent(parts?.[name] ?? '')
    const [user, password, database, sslMode] = ['user', 'password', 'database', 'sslMode'].map(decoded)
    const server = serverIn(decoded('server') || settings.POSTGRES_SERVER.default)
    return parts && server && { server, user, password, database, sslMode }
  } catch {
    return undefined // %zz, or %FF, which is not UTF-8
  }
}

function fromParts(env: Environment, names: string[]): ServerSettings {
  for (const name of names)
    if (!(name in settings) && name !== 'POSTGRES_HOST' && name !== 'POSTGRES_PASSWORD_FILE')
      env.warnings.push(
        `${name} is unknown and not read. Known: POSTGRES_SERVER (or _HOST), _PORT, _USER, _PASSWORD (or _PASSWORD_FILE), _DB, _SSLMODE and _POOL.`,
      )
  const port = env.integer('POSTGRES_PORT', 1, 65535)
  const hosts = new Set<string>()
  const ports = new Set(env.given('POSTGRES_PORT') ? [port] : [])
  for (const name of ['POSTGRES_SERVER', 'POSTGRES_HOST'].filter((name) => env.given(name))) {
    const server = serverIn(env.given(name) ?? '')
    if (!server) env.problems.push(`${name} must be a host, host:port, [IPv6]:port, or the folder of a Unix socket.`)
    if (server) hosts.add(server.host)
    if (server?.port) ports.add(server.port)
  }
  if (hosts.size > 1) env.problems.push('POSTGRES_SERVER and POSTGRES_HOST name different servers: keep one of them.')
  if (ports.size > 1)
    env.problems.push('POSTGRES_PORT, POSTGRES_SERVER and POSTGRES_HOST name different ports: keep one.')
  const password = env.secret('POSTGRES_PASSWORD') ?? settings.POSTGRES_PASSWORD.default
  const stray = env.strayEnd('POSTGRES_PASSWORD', password)
  if (stray) env.warnings.push(`${stray}, which counts as part of the password: remove it unless that is right.`)
  return {
    kind: 'server',
    host: [...hosts][0] ?? settings.POSTGRES_SERVER.default,
    port: [...ports][0] ?? port,
    user: env.text('POSTGRES_USER'),
    password,
    passwordFile: env.given('POSTGRES_PASSWORD_FILE'),
    database: env.text('POSTGRES_DB'),
    sslMode: env.choice('POSTGRES_SSLMODE', sslModes),
    connections: connections(env),
  }
}

const connections = (env: Environment) => env.integer('POSTGRES_POOL', 1, 1000)

/** Splits `host:port`, `[IPv6]:port` and `/folder:port`, each also without port, and bare IPv6; or undefined. */
function serverIn(text: string): { host: string; port?: number } | undefined {
  if (isIP(text) === 6) return { host: text }
  const [, address, name, port] = /^(?:\[(.+)\]|(\/.*?|[^:/@\s]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = address ?? name
  if (host === undefined || (address && isIP(address) !== 6)) return undefined
  if (port === undefined) return { host }
  return Number(port) >= 1 && Number(port) <= 65535 ? { host, port: Number(port) } : undefined
}
