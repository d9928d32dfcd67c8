import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'

/** Every environment variable that is read, with its default and its meaning: the README's table. */
export const settings = {
  HOST: { default: '127.0.0.1', meaning: 'Address to listen on (`0.0.0.0` or `::` for all).' },
  PORT: { default: '3000', meaning: 'Port to listen on.' },
  ORIGINS: {
    default: '',
    meaning:
      'Origins that browsers may call from, separated by commas. `*` alone allows every origin, without credentials.',
  },
  POSTGRES_SERVER: {
    default: '127.0.0.1',
    meaning: 'Postgres server: `host`, `host:port`, or the folder of a Unix socket. Also read as `POSTGRES_HOST`.',
  },
  POSTGRES_PORT: { default: '5432', meaning: 'Port of the Postgres server.' },
  POSTGRES_USER: { default: 'postgres', meaning: 'Role to log in as.' },
  POSTGRES_PASSWORD: { default: 'postgres', meaning: 'Its password, with any characters. Secret.' },
  POSTGRES_DB: { default: 'postgres', meaning: 'Database.' },
  POSTGRES_SSLMODE: {
    default: 'disable',
    meaning: '`disable`, `require` (encrypted, server not verified) or `verify-full` (encrypted, server verified).',
  },
  DATABASE_URL: {
    default: '',
    meaning: 'Instead of all `POSTGRES_*`: `postgres://user:password@host:port/database?sslmode=…`. Secret.',
  },
  DATA_DIR: { default: 'data', meaning: 'Folder of the embedded database, which is used when no server is set.' },
  MIGRATE: {
    default: 'on',
    meaning: '`on` applies missing migrations at the start; `check` waits until another tool, such as Flyway, has.',
  },
  LOG_LEVEL: { default: 'info', meaning: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.' },
  DRAIN_SECONDS: {
    default: '0',
    meaning: 'How long `/readyz` answers 503 before the listener closes, 0–300. No wait on a terminal.',
  },
  TRUST_PROXY: {
    default: '',
    meaning: 'Addresses or CIDR ranges of proxies whose `X-Forwarded-*` is believed, separated by commas.',
  },
} as const

type Name = keyof typeof settings
const secrets = ['POSTGRES_PASSWORD', 'DATABASE_URL'] as const
const sslModes = ['disable', 'require', 'verify-full'] as const
const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
const migrateModes = ['on', 'check'] as const

/** How to reach a Postgres server. */
export interface ServerSettings {
  kind: 'server'
  host: string
  port: number
  user: string
  password: string
  database: string
  sslMode: (typeof sslModes)[number]
}

export interface Config {
  host: string
  port: number
  /** Exact origins, or `*` for every one. */
  origins: string[] | '*'
  database: ServerSettings | { kind: 'embedded'; folder: string }
  migrate: (typeof migrateModes)[number]
  logLevel: (typeof logLevels)[number]
  drainSeconds: number
  trustProxy: string[]
  /** What is allowed but surely not meant, a sentence each. */
  warnings: string[]
}

/** Everything wrong with the environment, a line for each variable; no secret's value is among them. */
export class ConfigError extends Error {
  constructor(problems: string[]) {
    super(['The settings are wrong:', ...problems].join('\n  '))
  }
}

/** Reads the environment; an empty value counts as unset. Throws a {@link ConfigError} that names every problem. */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  const env = new Environment(variables)
  const config: Config = {
    host: host(env),
    port: env.integer('PORT', 0, 65535),
    origins: origins(env),
    database: database(env),
    migrate: env.choice('MIGRATE', migrateModes),
    logLevel: env.choice('LOG_LEVEL', logLevels),
    drainSeconds: env.integer('DRAIN_SECONDS', 0, 300),
    trustProxy: trustProxy(env),
    warnings: env.warnings,
  }
  if (env.problems.length > 0) throw new ConfigError(env.problems)
  return config
}

/** The variables, and what is found about them while they are read. */
class Environment {
  readonly problems: string[] = []
  readonly warnings: string[] = []
  readonly #variables: NodeJS.ProcessEnv

  constructor(variables: NodeJS.ProcessEnv) {
    this.#variables = variables
  }

  /** The variable's own text; undefined where it is empty or unset. */
  given(name: string): string | undefined {
    return this.#variables[name] || undefined
  }

  /** The names that begin so and have a value. */
  names(prefix: string): string[] {
    return Object.keys(this.#variables).filter((name) => name.startsWith(prefix) && this.given(name))
  }

  /** A secret's own text, or that of the file which `<name>_FILE` names, without the newline at its end. */
  secret(name: (typeof secrets)[number]): string | undefined {
    const file = this.given(`${name}_FILE`)
    if (!file) return this.given(name)
    if (this.given(name)) this.problems.push(`${name} and ${name}_FILE are both set: keep one of them.`)
    try {
      const text = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
      if (text === '') this.problems.push(`${name}_FILE names an empty file: it must hold the value.`)
      return text
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      this.problems.push(`${name}_FILE names a file that cannot be read (${code}): it must hold the value.`)
      return undefined
    }
  }

  text(name: Exclude<Name, (typeof secrets)[number]>): string {
    return this.given(name) ?? settings[name].default
  }

  list(name: 'ORIGINS' | 'TRUST_PROXY'): string[] {
    const items = this.text(name).split(',')
    return items.map((item) => item.trim()).filter((item) => item !== '')
  }

  integer(name: 'PORT' | 'POSTGRES_PORT' | 'DRAIN_SECONDS', min: number, max: number): number {
    const value = this.text(name)
    if (!/^\d{1,9}$/.test(value) || Number(value) < min || Number(value) > max)
      this.problems.push(`${name} is "${value}": it must be a whole number from ${min} to ${max}.`)
    return Number(value)
  }

  choice<T extends string>(name: 'MIGRATE' | 'LOG_LEVEL' | 'POSTGRES_SSLMODE', allowed: readonly T[]): T {
    const value = this.text(name)
    if (!allowed.includes(value as T))
      this.problems.push(`${name} is "${value}": it must be one of ${allowed.join(', ')}.`)
    return value as T
  }
}

function host(env: Environment): string {
  const host = env.text('HOST')
  if (!isIP(host) && !/^[\w.-]+$/.test(host))
    env.problems.push(`HOST is "${host}": it must be an address or a name of this machine, without a port.`)
  return host
}

function origins(env: Environment): Config['origins'] {
  const all = env.list('ORIGINS')
  if (all.length === 1 && all[0] === '*') return '*'
  return all.filter((origin) => {
    if (isOrigin(origin)) return true
    env.warnings.push(`ORIGINS has "${origin}", which matches nothing: an origin looks like https://example.org:8443.`)
    return false
  })
}

/** Whether it is spelt as browsers send it: lower case, no default port, nothing after the host. */
function isOrigin(text: string): boolean {
  if (text.includes('*') || !URL.canParse(text)) return false
  const { protocol, host } = new URL(text)
  return host !== '' && text === `${protocol}//${host}`
}

function trustProxy(env: Environment): string[] {
  const ranges = env.list('TRUST_PROXY')
  for (const range of ranges)
    if (!isRange(range))
      env.problems.push(`TRUST_PROXY has "${range}": it must be an address or a range such as 10.0.0.0/8.`)
  return ranges
}

function isRange(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const most = { 4: 32, 6: 128 }[isIP(address)]
  if (most === undefined || rest.length > 0) return false
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= most)
}

function database(env: Environment): Config['database'] {
  const urls = ['DATABASE_URL', 'DATABASE_URL_FILE'].filter((name) => env.given(name))
  const parts = env.names('POSTGRES_')
  if (urls.length > 0 && parts.length > 0)
    env.problems.push(`${[...urls, ...parts].join(', ')} are set: keep DATABASE_URL, or keep POSTGRES_*.`)
  if (urls.length > 0) return fromUrl(env)
  if (parts.length > 0) return fromParts(env, parts)
  return { kind: 'embedded', folder: env.text('DATA_DIR') }
}

/** A URL as a whole is a secret: one character that is not encoded, and the password spills into any other part. */
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
  'DATABASE_URL must be postgres://user:password@host:5432/database?sslmode=disable; any part of it may be left out;',
  'within a part, % is written %25, @ is %40, / is %2F, ? is %3F and # is %23;',
  `sslmode is ${sslModes.join(', ')}, and there is no other parameter.`,
].join(' ')

function fromUrl(env: Environment): ServerSettings {
  const url = env.secret('DATABASE_URL')
  const parts = url && decodedParts(url)
  if (url && !parts) env.problems.push(urlRule)
  const { server, user, password, database, sslMode } = parts || {}
  return {
    kind: 'server',
    host: server?.host ?? settings.POSTGRES_SERVER.default,
    port: server?.port ?? Number(settings.POSTGRES_PORT.default),
    user: user || settings.POSTGRES_USER.default,
    password: password || settings.POSTGRES_PASSWORD.default,
    database: database || settings.POSTGRES_DB.default,
    sslMode: (sslMode || settings.POSTGRES_SSLMODE.default) as ServerSettings['sslMode'],
  }
}

/** The parts of a URL, empty where left out; undefined where it has another form, or its server has. */
function decodedParts(url: string) {
  const parts = urlForm.exec(url)?.groups
  try {
    const decoded = (name: string) => decodeURIComponent(parts?.[name] ?? '')
    const [user, password, database, sslMode] = ['user', 'password', 'database', 'sslMode'].map(decoded)
    const server = serverIn(decoded('server') || settings.POSTGRES_SERVER.default)
    return parts && server && { server, user, password, database, sslMode }
  } catch {
    return undefined // %zz, or %FF, which is no UTF-8
  }
}

function fromParts(env: Environment, names: string[]): ServerSettings {
  for (const name of names)
    if (!(name in settings) && name !== 'POSTGRES_HOST' && name !== 'POSTGRES_PASSWORD_FILE')
      env.warnings.push(`${name} is not read; known are POSTGRES_SERVER, _PORT, _USER, _PASSWORD, _DB and _SSLMODE.`)
  const port = env.integer('POSTGRES_PORT', 1, 65535)
  const hosts = new Set<string>()
  const ports = new Set(env.given('POSTGRES_PORT') ? [port] : [])
  for (const name of ['POSTGRES_SERVER', 'POSTGRES_HOST'].filter((name) => env.given(name))) {
    const server = serverIn(env.given(name) ?? '')
    if (!server) env.problems.push(`${name} must be a host, host:port, [IPv6]:port, or the folder of a Unix socket.`)
    if (server) hosts.add(server.host)
    if (server?.port) ports.add(server.port)
  }
  if (hosts.size > 1) env.problems.push('POSTGRES_SERVER and POSTGRES_HOST name two servers: keep one of them.')
  if (ports.size > 1) env.problems.push('POSTGRES_PORT, POSTGRES_SERVER or POSTGRES_HOST name two ports: keep one.')
  return {
    kind: 'server',
    host: [...hosts][0] ?? settings.POSTGRES_SERVER.default,
    port: [...ports][0] ?? port,
    user: env.text('POSTGRES_USER'),
    password: env.secret('POSTGRES_PASSWORD') ?? settings.POSTGRES_PASSWORD.default,
    database: env.text('POSTGRES_DB'),
    sslMode: env.choice('POSTGRES_SSLMODE', sslModes),
  }
}

/** Splits `host:port`, `[IPv6]:port` and `/folder:port`, each also without port, and bare IPv6; or undefined. */
function serverIn(text: string): { host: string; port?: number } | undefined {
  if (isIP(text) === 6) return { host: text }
  const [, address, name, port] = /^(?:\[(.+)\]|(\/.*?|[^:/@\s]+))(?::(\d{1,5}))?$/.exec(text) ?? []
  const host = address ?? name
  if (host === undefined || (address && isIP(address) !== 6)) return undefined
  if (port === undefined) return { host }
  return Number(port) >= 1 && Number(port) <= 65535 ? { host, port: Number(port) } : undefined
}
