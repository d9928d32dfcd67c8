/** Every environment variable that the program reads, with its default and meaning. docs/settings.md repeats it. */
export const settings = {
  HOST: { default: '127.0.0.1', meaning: 'Address to listen on (`0.0.0.0` or `::` for all).' },
  PORT: { default: '3000', meaning: 'Port to listen on.' },
  HOSTS: {
    default: '',
    meaning:
      'Names by which clients may ask (`api.example.org`, `*.example.org`), separated by commas; any other gets a 421. `*` allows every name. Not set: `localhost` and loopback addresses if the database is embedded and `HOST` is loopback, otherwise every name.',
  },
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
  POSTGRES_POOL: {
    default: '10',
    meaning:
      'Most connections for requests, 1–1000; six more read history and feed, probe, listen and migrate, and up to six import and export.',
  },
  DATABASE_URL: {
    default: '',
    meaning:
      'The Postgres server as one URL, `postgres://user:password@host:port/database?sslmode=…`, instead of `POSTGRES_*` (`POSTGRES_POOL` may be set beside it). Secret.',
  },
  DATA_DIR: { default: 'data', meaning: 'Folder of the embedded database, which is used when no server is set.' },
  AUTH: {
    default: 'open',
    meaning:
      '`open`: everybody who reaches the port may do everything. `keys`: an API key, or a token of `AUTH_ISSUER`, is needed.',
  },
  AUTH_ANONYMOUS: {
    default: '',
    meaning: 'With `AUTH=keys`: what callers without a key or token may do, such as `housing:read`.',
  },
  AUTH_ISSUER: {
    default: '',
    meaning: 'With `AUTH=keys`: the URL of an OpenID Connect issuer whose access tokens are accepted besides keys.',
  },
  AUTH_AUDIENCE: {
    default: '',
    meaning: 'The audience that tokens of `AUTH_ISSUER` must name; set both or neither.',
  },
  RATE_LIMIT: {
    default: '1',
    meaning:
      'With `AUTH=keys`: multiplies what each caller may send, which is 50 reads and 10 writes a second. `off`: no limit.',
  },
  API_KEY: {
    default: '',
    meaning:
      'For `import`, `export` and `demo` where they use a running API: the API key or token that it needs. Secret.',
  },
  MIGRATE: {
    default: 'on',
    meaning: '`on` applies missing migrations at the start; `check` waits until another tool, such as Flyway, has.',
  },
  LOG_LEVEL: { default: 'info', meaning: '`fatal`, `error`, `warn`, `info`, `debug`, `trace` or `silent`.' },
  METRICS_PORT: {
    default: '',
    meaning: 'Port of `/metrics` for Prometheus, on a listener of its own that asks nobody for a key. Not set: none.',
  },
  METRICS_HOST: { default: '127.0.0.1', meaning: 'Address of that listener.' },
  DRAIN_SECONDS: {
    default: '0',
    meaning: 'How long `/readyz` answers 503 before the listener closes, 0–300. No wait on a terminal.',
  },
  TRUST_PROXY: {
    default: '',
    meaning:
      'Addresses or CIDR ranges of proxies whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix` are believed, separated by commas.',
  },
} as const

export type Name = keyof typeof settings
export const secrets = ['POSTGRES_PASSWORD', 'DATABASE_URL', 'API_KEY'] as const
export const sslModes = ['disable', 'require', 'verify-full'] as const
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export const authModes = ['open', 'keys'] as const
/** What a caller may do. Each scope implies those before it. */
export const scopes = ['housing:read', 'housing:write', 'housing:admin'] as const
export const migrateModes = ['on', 'check'] as const
