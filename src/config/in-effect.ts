import type { Config } from './config.ts'
import { type Name, secrets, settings } from './settings.ts'

/** A setting as the program understands it. It never has a secret's value. */
export interface SettingInEffect {
  name: Name
  /** Empty where it has none; null where the setting is not used. */
  value: string | null
  /** The variable that it comes from, or `default`, or why it is not used. */
  from: string
}

/** What each setting is, once defaults, files and DATABASE_URL are applied. */
export function settingsInEffect(config: Config, variables: NodeJS.ProcessEnv): SettingInEffect[] {
  const values = valuesOf(config)
  return (Object.keys(settings) as Name[]).map((name) => {
    const value = values[name]
    if (value === undefined) return { name, value: null, from: `not used: ${whyUnused(name)}` }
    const from = sourceOf(name, value, variables)
    const isHidden = isSecret(name) && (value !== '' || from !== 'default')
    return { name, value: isHidden ? '(secret)' : value, from }
  })
}

export const isSecret = (name: string): boolean => secrets.some((secret) => secret === name)

/** The settings as text; undefined where one is not used. The compiler finds one that is missing here. */
function valuesOf({ access, database, ...config }: Config): Record<Name, string | undefined> {
  const server = database.kind === 'server' ? database : undefined
  const withKeys = (value: string) => (access.auth === 'keys' ? value : undefined)
  const list = (items: readonly string[] | '*') => (items === '*' ? '*' : items.join(', '))
  return {
    HOST: config.host,
    PORT: `${config.port}`,
    HOSTS: list(config.hosts),
    ORIGINS: list(config.origins),
    POSTGRES_SERVER: server?.host,
    POSTGRES_PORT: server && `${server.port}`,
    POSTGRES_USER: server?.user,
    POSTGRES_PASSWORD: server?.password,
    POSTGRES_DB: server?.database,
    POSTGRES_SSLMODE: server?.sslMode,
    POSTGRES_POOL: server && `${server.connections}`,
    DATABASE_URL: '', // what it says is in the others
    DATA_DIR: database.kind === 'embedded' ? database.folder : undefined,
    AUTH: access.auth,
    AUTH_ANONYMOUS: withKeys(list(access.anonymous)),
    AUTH_ISSUER: withKeys(access.tokens?.issuer ?? ''),
    AUTH_AUDIENCE: withKeys(access.tokens?.audience ?? ''),
    RATE_LIMIT: withKeys(Number.isFinite(access.rateLimit) ? `${access.rateLimit}` : 'off'),
    API_KEY: config.apiKey ?? '',
    MIGRATE: config.migrate,
    LOG_LEVEL: config.logLevel,
    METRICS_PORT: config.metrics ? `${config.metrics.port}` : '',
    METRICS_HOST: config.metrics?.host,
    DRAIN_SECONDS: `${config.drainSeconds}`,
    TRUST_PROXY: list(config.trustProxy),
  }
}

function whyUnused(name: Name): string {
  if (name === 'METRICS_HOST') return 'METRICS_PORT is not set'
  if (name === 'DATA_DIR') return 'the database is on a server'
  return name.startsWith('POSTGRES_') ? 'the database is embedded' : 'AUTH is open'
}

const urls = ['DATABASE_URL', 'DATABASE_URL_FILE']
const hosts = ['POSTGRES_SERVER', 'POSTGRES_HOST']

/** Which variables may decide a setting besides its own. */
const others: Partial<Record<Name, string[]>> = {
  POSTGRES_SERVER: [...hosts, ...urls],
  POSTGRES_PORT: [...hosts, ...urls],
  POSTGRES_USER: urls,
  POSTGRES_PASSWORD: urls,
  POSTGRES_DB: urls,
  POSTGRES_SSLMODE: urls,
}

function sourceOf(name: Name, value: string, variables: NodeJS.ProcessEnv): string {
  const given = (names: string[]) => names.find((name) => variables[name])
  const own = given(isSecret(name) ? [name, `${name}_FILE`] : [name])
  return own ?? (value === settings[name].default ? undefined : given(others[name] ?? [])) ?? 'default'
}
