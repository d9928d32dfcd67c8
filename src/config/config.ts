import { isIP } from 'node:net'
import { type AccessSettings, accessSettings } from './access-settings.ts'
import { type DatabaseSettings, databaseSettings } from './database-settings.ts'
import { Environment } from './environment.ts'
import { hostPattern, isLoopback } from './host-names.ts'
import { logLevels, migrateModes } from './settings.ts'

export interface Config {
  host: string
  port: number
  /** The names by which clients may ask, some as `*.example.org`, or `*` for any. */
  hosts: string[] | '*'
  /** Exact origins, or `*` for every one. */
  origins: string[] | '*'
  access: AccessSettings
  database: DatabaseSettings
  /** What commands send to a running API. */
  apiKey: string | undefined
  migrate: (typeof migrateModes)[number]
  logLevel: (typeof logLevels)[number]
  /** Where Prometheus finds the metrics; undefined where nowhere. */
  metrics: { host: string; port: number } | undefined
  drainSeconds: number
  trustProxy: string[]
  /** Sentences about settings that are valid but probably a mistake. */
  warnings: string[]
}

/** Everything wrong with the environment, a line for each variable; no secret's value is among them. */
export class ConfigError extends Error {
  constructor(problems: string[]) {
    super(['The settings are invalid:', ...problems].join('\n  '))
  }
}

/** Reads the environment; an empty value counts as unset. Throws a {@link ConfigError} that names every problem. */
export function readConfig(variables: NodeJS.ProcessEnv): Config {
  const env = new Environment(variables)
  const address = host(env, 'HOST')
  const database = databaseSettings(env)
  const config: Config = {
    host: address,
    port: env.integer('PORT', 0, 65535),
    hosts: hosts(env, address, database),
    origins: origins(env),
    access: accessSettings(env, address),
    database,
    apiKey: env.secret('API_KEY'),
    migrate: env.choice('MIGRATE', migrateModes),
    logLevel: env.choice('LOG_LEVEL', logLevels),
    metrics: metrics(env),
    drainSeconds: env.integer('DRAIN_SECONDS', 0, 300),
    trustProxy: trustProxy(env),
    warnings: env.warnings,
  }
  if (env.problems.length > 0) throw new ConfigError(env.problems)
  return config
}

function host(env: Environment, name: 'HOST' | 'METRICS_HOST'): string {
  const host = env.text(name)
  if (!isIP(host) && !/^[\w.-]+$/.test(host))
    env.problems.push(`${name} is "${host}": it must be an IP address or a host name, without a port.`)
  return host
}

function metrics(env: Environment): Config['metrics'] {
  const address = host(env, 'METRICS_HOST')
  if (env.given('METRICS_PORT')) return { host: address, port: env.integer('METRICS_PORT', 0, 65535) }
  if (env.given('METRICS_HOST'))
    env.warnings.push('METRICS_HOST has no effect without METRICS_PORT: set both, or neither.')
  return undefined
}

function hosts(env: Environment, address: string, database: DatabaseSettings): Config['hosts'] {
  const all = env.list('HOSTS')
  if (all.length === 1 && all[0] === '*') return '*'
  if (all.length > 0) return all.flatMap((name) => hostPattern(name) ?? malformed(name))
  // A page whose name is made to lead to this machine would otherwise read and write a database that nobody guards.
  return database.kind === 'embedded' && isLoopback(address)
    ? [...new Set(['localhost', '*.localhost', '127.0.0.1', '[::1]', hostPattern(address) ?? address])]
    : '*'

  function malformed(name: string): [] {
    env.problems.push(
      `HOSTS has "${name}": it must be a name or an address without a port, such as api.example.org, *.example.org or [::1].`,
    )
    return []
  }
}

function origins(env: Environment): Config['origins'] {
  const all = env.list('ORIGINS')
  if (all.length === 1 && all[0] === '*') return '*'
  return all.filter((origin) => {
    if (isOrigin(origin)) return true
    env.warnings.push(`ORIGINS has "${origin}", which no browser sends: write it like https://example.org:8443.`)
    return false
  })
}

/** Whether it is spelled as browsers send it: lower case, no default port, nothing after the host. */
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
  const maxBits = { 4: 32, 6: 128 }[isIP(address)]
  if (maxBits === undefined || rest.length > 0) return false
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= maxBits)
}
