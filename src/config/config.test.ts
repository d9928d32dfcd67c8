import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { ConfigError, readConfig } from './config.ts'
import { settings } from './settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'sample-api-'))
afterAll(() => rmSync(folder, { recursive: true }))

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}

/** The lines of the error, without its heading. */
function problems(env: NodeJS.ProcessEnv): string[] {
  try {
    readConfig(env)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n  ').slice(1)
  }
}

const server = {
  kind: 'server',
  host: '127.0.0.1',
  port: 5432,
  user: 'postgres',
  password: 'postgres',
  database: 'postgres',
  sslMode: 'disable',
  connections: 10,
}

const open = { auth: 'open', anonymous: [], tokens: undefined, rateLimit: Number.POSITIVE_INFINITY }
const issuer = { AUTH_ISSUER: 'https://id.example.org/realms/homes', AUTH_AUDIENCE: 'sample-api' }

describe('without any setting', () => {
  test('the embedded database serves this machine on port 3000', () => {
    expect(readConfig({})).toEqual({
      host: '127.0.0.1',
      port: 3000,
      hosts: ['localhost', '*.localhost', '127.0.0.1', '[::1]'],
      origins: [],
      access: open,
      database: { kind: 'embedded', folder: 'data' },
      migrate: 'on',
      logLevel: 'info',
      drainSeconds: 0,
      trustProxy: [],
      warnings: [],
    })
  })

  test('empty values count as unset', () => {
    const names = [...Object.keys(settings), 'POSTGRES_HOST', 'POSTGRES_PASSWORD_FILE', 'DATABASE_URL_FILE']
    expect(readConfig(Object.fromEntries(names.map((name) => [name, ''])))).toEqual(readConfig({}))
  })

  test('variables of other programs are ignored', () => {
    expect(readConfig({ PATH: '/bin', PGHOST: 'elsewhere', port: '1' })).toEqual(readConfig({}))
  })
})

test('each setting sets its value', () => {
  const env = {
    HOST: '::',
    PORT: '8080',
    HOSTS: 'api.example.org',
    ORIGINS: 'https://example.org',
    DATA_DIR: '/data',
    API_KEY: 'hr_x',
    MIGRATE: 'check',
    LOG_LEVEL: 'debug',
    METRICS_PORT: '9464',
    METRICS_HOST: '10.0.0.1',
    DRAIN_SECONDS: '15',
    TRUST_PROXY: '10.0.0.0/8, ::1',
  }
  const access = { AUTH: 'keys', AUTH_ANONYMOUS: 'housing:read', RATE_LIMIT: '2.5', ...issuer }
  expect(readConfig({ ...env, ...access })).toEqual({
    host: '::',
    port: 8080,
    hosts: ['api.example.org'],
    origins: ['https://example.org'],
    access: {
      auth: 'keys',
      anonymous: ['housing:read'],
      tokens: { issuer: 'https://id.example.org/realms/homes', audience: 'sample-api' },
      rateLimit: 2.5,
    },
    database: { kind: 'embedded', folder: '/data' },
    apiKey: 'hr_x',
    migrate: 'check',
    logLevel: 'debug',
    metrics: { host: '10.0.0.1', port: 9464 },
    drainSeconds: 15,
    trustProxy: ['10.0.0.0/8', '::1'],
    warnings: [],
  })
  const parts = {
    POSTGRES_SERVER: 'db.example.org',
    POSTGRES_PORT: '5433',
    POSTGRES_USER: 'registry',
    POSTGRES_PASSWORD: ' p@ss:w/o#r?d%41 ',
    POSTGRES_DB: 'homes',
    POSTGRES_SSLMODE: 'verify-full',
    POSTGRES_POOL: '4',
  }
  expect(readConfig(parts).database).toEqual({
    kind: 'server',
    host: 'db.example.org',
    port: 5433,
    user: 'registry',
    password: ' p@ss:w/o#r?d%41 ',
    database: 'homes',
    sslMode: 'verify-full',
    connections: 4,
  })
  const tested = Object.keys({ ...env, ...access, ...parts, DATABASE_URL: 'tested below' })
  expect(tested.toSorted()).toEqual(Object.keys(settings).toSorted())
})

describe('ORIGINS', () => {
  const origins = (ORIGINS: string) => readConfig({ ORIGINS }).origins

  test('are trimmed, and empty ones are ignored', () => {
    expect(origins(' https://a.example , http://localhost:5173,, ')).toEqual([
      'https://a.example',
      'http://localhost:5173',
    ])
  })

  test('a star alone allows every origin', () => {
    expect(origins(' * ')).toBe('*')
    expect(origins('*,https://a.example')).toEqual(['https://a.example'])
  })

  test.each([
    'http://localhost*',
    'https://*.example.org',
    'https://a.example/',
    'https://A.example',
    'https://a.example:443',
    'a.example',
    'null',
    'file://',
  ])('%s matches nothing, and is ignored with a warning', (origin) => {
    const config = readConfig({ ORIGINS: `${origin},https://b.example` })
    expect(config.origins).toEqual(['https://b.example'])
    expect(config.warnings).toEqual([expect.stringContaining(`ORIGINS has "${origin}"`)])
  })

  test.each(['http://[::1]:3000', 'https://xn--bcher-kva.example', 'capacitor://localhost'])('%s works', (origin) => {
    expect(readConfig({ ORIGINS: origin })).toMatchObject({ origins: [origin], warnings: [] })
  })
})

describe('AUTH', () => {
  test('open is said where others can reach the port, and only there', () => {
    for (const HOST of ['127.0.0.1', '127.1.2.3', '::1', 'localhost'])
      expect(readConfig({ HOST }).warnings, HOST).toEqual([])
    for (const HOST of ['0.0.0.0', '::', '192.168.1.7', 'api.example.org']) {
      expect(readConfig({ HOST }).warnings, HOST).toEqual([expect.stringMatching(/^AUTH is open: everybody/)])
      expect(readConfig({ HOST, AUTH: 'keys' }).warnings, HOST).toEqual([])
    }
  })

  test.each<[NodeJS.ProcessEnv, RegExp]>([
    [{ AUTH: 'key' }, /^AUTH is "key": it must be one of open, keys\.$/],
    [{ AUTH_ANONYMOUS: 'housing:read' }, /^AUTH_ANONYMOUS is set, but AUTH is not keys/],
    [{ AUTH: 'keys', AUTH_ANONYMOUS: 'read' }, /^AUTH_ANONYMOUS has "read": each scope must be one of housing:read, /],
    [{ AUTH: 'keys', AUTH_ISSUER: issuer.AUTH_ISSUER }, /^AUTH_ISSUER is set, but AUTH_AUDIENCE is not/],
    [{ AUTH: 'keys', AUTH_AUDIENCE: 'x' }, /^AUTH_AUDIENCE is set, but AUTH_ISSUER is not/],
    ...[
      'http://id.example.org',
      'id.example.org',
      'https://u:p@id.example.org',
      'https://id.example.org/?x',
      'ftp://localhost',
    ].map((AUTH_ISSUER): [NodeJS.ProcessEnv, RegExp] => [
      { AUTH: 'keys', ...issuer, AUTH_ISSUER },
      /^AUTH_ISSUER is ".*": it must be the https URL/,
    ]),
    ...['0', '0.05', '-1', 'x', '1e3', 'Infinity', 'OFF'].map((RATE_LIMIT): [NodeJS.ProcessEnv, RegExp] => [
      { AUTH: 'keys', RATE_LIMIT },
      /^RATE_LIMIT is ".*": it must be a number from 0\.1/,
    ]),
  ])('%j is half a configuration, or a wrong one', (env, problem) => {
    expect(problems(env)).toEqual([expect.stringMatching(problem)])
  })

  test('of an issuer without AUTH=keys each setting is reported', () => {
    expect(problems(issuer)).toHaveLength(2)
  })

  test.each(['http://127.0.0.1:8080', 'http://localhost/realms/homes', 'http://[::1]:8080', 'https://id.example.org/'])(
    'an issuer may be %s',
    (AUTH_ISSUER) => {
      const { access } = readConfig({ AUTH: 'keys', ...issuer, AUTH_ISSUER })
      expect(access.tokens?.issuer).toBe(AUTH_ISSUER)
    },
  )

  test('limits can be turned off, and are off where everybody may do everything', () => {
    const limit = (env: NodeJS.ProcessEnv) => readConfig(env).access.rateLimit
    expect([limit({ AUTH: 'keys' }), limit({ AUTH: 'keys', RATE_LIMIT: '0.1' })]).toEqual([1, 0.1])
    expect([limit({ AUTH: 'keys', RATE_LIMIT: 'off' }), limit({ RATE_LIMIT: '2' })]).toEqual([Infinity, Infinity])
  })
})

describe('HOSTS', () => {
  const hosts = (env: NodeJS.ProcessEnv) => readConfig(env).hosts
  const loopback = ['localhost', '*.localhost', '127.0.0.1', '[::1]']

  test('are compared in lower case, addresses in their shortest form', () => {
    expect(hosts({ HOSTS: ' API.example.org ,, *.Example.net, 10.0.0.7, 0:0::1, [::1], a_b, api. ' })).toEqual([
      ...['api.example.org', '*.example.net', '10.0.0.7', '[::1]', '[::1]', 'a_b', 'api'],
    ])
  })

  test('a star alone is any name', () => {
    expect(hosts({ HOSTS: ' * ' })).toBe('*')
  })

  test.each([
    'api:80',
    '[::1]:80',
    'http://api',
    'api/',
    'a b',
    '*.',
    '*.*',
    'a.*',
    '*api',
    '..',
    'a..b',
    '[::x]',
    'é',
    'a@b',
    '*.[::1]',
  ])('%s is reported with what is valid', (name) => {
    expect(problems({ HOSTS: `localhost,${name}` })).toEqual([
      `HOSTS has "${name}": it must be a name or an address without a port, such as api.example.org, *.example.org or [::1].`,
    ])
  })

  test.each(['localhost', '127.0.0.1', '::1', '127.0.0.2', 'api.localhost'])(
    'are loopback names by default where the database is embedded and HOST is %s',
    (HOST) => {
      const own = HOST === '127.0.0.2' || HOST === 'api.localhost' ? [HOST] : []
      expect(hosts({ HOST })).toEqual([...loopback, ...own])
      expect(hosts({ HOST, POSTGRES_SERVER: '127.0.0.1' })).toBe('*')
    },
  )

  test.each(['0.0.0.0', '::', '10.0.0.7', 'api.example.org', 'notlocalhost'])(
    'are any by default where HOST is %s',
    (HOST) => {
      expect(hosts({ HOST })).toBe('*')
    },
  )
})

describe('a connection to the database that is not safe on the way', () => {
  const warnings = (POSTGRES_SERVER: string, sslmode?: string) => {
    const url = `postgres://${POSTGRES_SERVER.replaceAll(/[%/]/g, encodeURIComponent)}/d${sslmode ? `?sslmode=${sslmode}` : ''}`
    const found = readConfig({ POSTGRES_SERVER, POSTGRES_SSLMODE: sslmode }).warnings
    expect(readConfig({ DATABASE_URL: url }).warnings).toEqual(found)
    return found
  }

  test.each(['db', 'db.example.org:5433', '10.0.0.7', '[fe80::1%eth0]', '128.0.0.1', 'localhost.example.org'])(
    'to %s is reported at the start',
    (server) => {
      for (const mode of [undefined, 'disable'])
        expect(warnings(server, mode)).toEqual([
          expect.stringMatching(/^The database is on another machine, .*not encr/),
        ])
      expect(warnings(server, 'require')).toEqual([expect.stringContaining('the server is not verified')])
      expect(warnings(server, 'verify-full')).toEqual([])
    },
  )

  test.each(['127.0.0.1', '127.1.2.3:5433', 'localhost', '::1', '[::ffff:127.0.0.1]', '/var/run/postgresql'])(
    'to %s is on this machine',
    (server) => {
      expect(warnings(server)).toEqual([])
    },
  )

  test('through a Unix socket needs no encryption', () => {
    expect(warnings('/var/run/postgresql', 'require')).toEqual([])
  })
})

describe('which database', () => {
  test.each([
    'POSTGRES_SERVER',
    'POSTGRES_HOST',
    'POSTGRES_PORT',
    'POSTGRES_USER',
    'POSTGRES_PASSWORD',
    'POSTGRES_DB',
    'POSTGRES_SSLMODE',
    'POSTGRES_POOL',
  ])('%s alone selects a server', (name) => {
    const value = { POSTGRES_PORT: '5432', POSTGRES_SSLMODE: 'require', POSTGRES_POOL: '4' }[name] ?? 'given'
    expect(readConfig({ [name]: value, DATA_DIR: 'elsewhere' }).database.kind).toBe('server')
  })

  test.each(['POSTGRES_DATABASE', 'POSTGRES_USER_FILE', 'POSTGRES_INITDB_ARGS'])(
    '%s selects a server too, with a warning that it is not read',
    (name) => {
      const config = readConfig({ [name]: 'given' })
      expect(config.database).toEqual(server)
      expect(config.warnings).toEqual([
        expect.stringMatching(`^${name} is unknown and not read. Known: POSTGRES_SERVER`),
      ])
    },
  )

  test('DATABASE_URL together with POSTGRES_* is rejected, naming what is set', () => {
    expect(problems({ DATABASE_URL: 'postgres://a', POSTGRES_DB: 'b', POSTGRES_USER: 'c' })).toEqual([
      'DATABASE_URL, POSTGRES_DB, POSTGRES_USER are set: keep either DATABASE_URL or POSTGRES_*.',
    ])
    expect(problems({ DATABASE_URL_FILE: file('url', 'postgres://a'), POSTGRES_DB: 'b' })).toHaveLength(1)
    expect(readConfig({ DATABASE_URL: 'postgres://', POSTGRES_POOL: '4' }).database).toEqual({
      ...server,
      connections: 4,
    })
  })
})

describe('POSTGRES_SERVER', () => {
  test.each([
    ['db', 'db', 5432],
    ['db:5433', 'db', 5433],
    ['10.0.0.7:1', '10.0.0.7', 1],
    ['::1', '::1', 5432],
    ['[::1]', '::1', 5432],
    ['[fe80::1%eth0]:65535', 'fe80::1%eth0', 65535],
    ['/var/run/postgresql', '/var/run/postgresql', 5432],
    ['/var/run/postgresql:5433', '/var/run/postgresql', 5433],
  ])('%s is host %s and port %i, also as POSTGRES_HOST and in DATABASE_URL', (value, host, port) => {
    for (const name of ['POSTGRES_SERVER', 'POSTGRES_HOST'])
      expect(readConfig({ [name]: value }).database).toEqual({ ...server, host, port })
    const url = `postgres://${value.replaceAll(/[%/]/g, encodeURIComponent)}/postgres`
    expect(readConfig({ DATABASE_URL: url }).database).toEqual({ ...server, host, port })
  })

  test.each(['db:', ':5432', 'db:0', 'db:65536', 'db:x', 'a:b:1', '[db]:1', '[::1', 'a b', 'postgres://u:p@db/x'])(
    '%s is rejected',
    (value) => {
      for (const name of ['POSTGRES_SERVER', 'POSTGRES_HOST'])
        expect(problems({ [name]: value })).toEqual([
          `${name} must be a host, host:port, [IPv6]:port, or the folder of a Unix socket.`,
        ])
    },
  )

  test('and POSTGRES_HOST may both be set if they agree', () => {
    const env = { POSTGRES_SERVER: 'db', POSTGRES_HOST: 'db:5433', POSTGRES_PORT: '5433' }
    expect(readConfig(env).database).toEqual({ ...server, host: 'db', port: 5433 })
  })

  test('and a POSTGRES_HOST that differs are rejected', () => {
    expect(problems({ POSTGRES_SERVER: 'a', POSTGRES_HOST: 'b' })).toEqual([
      'POSTGRES_SERVER and POSTGRES_HOST name different servers: keep one of them.',
    ])
  })

  test('and a POSTGRES_PORT that differs are rejected', () => {
    const two = ['POSTGRES_PORT, POSTGRES_SERVER and POSTGRES_HOST name different ports: keep one.']
    expect(problems({ POSTGRES_SERVER: 'db:5433', POSTGRES_PORT: '5432' })).toEqual(two)
    expect(problems({ POSTGRES_SERVER: 'db:1', POSTGRES_HOST: 'db:2' })).toEqual(two)
  })
})

describe('DATABASE_URL', () => {
  const database = (DATABASE_URL: string) => readConfig({ DATABASE_URL }).database

  test('sets every part, and a missing part has its default', () => {
    expect(database('postgresql://u:p:w@h:1/d?sslmode=require')).toEqual({
      kind: 'server',
      host: 'h',
      port: 1,
      user: 'u',
      password: 'p:w',
      database: 'd',
      sslMode: 'require',
      connections: 10,
    })
    expect(database('postgres://')).toEqual(server)
    expect(database('postgres://u@/d')).toEqual({ ...server, user: 'u', database: 'd' })
  })

  test('accepts any text, percent-encoded', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 })
    fc.assert(
      fc.property(text, text, text, (...texts) => {
        const [user, password, name] = texts.map(encodeURIComponent)
        const found = database(`postgres://${user}:${password}@h/${name}`)
        expect(found).toMatchObject({ user: texts[0], password: texts[1], database: texts[2] })
      }),
    )
  })

  test.each([
    'mysql://h/d',
    'h/d',
    'postgres:/h/d',
    'postgres://h:0/d',
    'postgres://h:65536/d',
    'postgres://h/d?sslmode=prefer',
    'postgres://h/d?sslmode=require&connect_timeout=3',
    'postgres://h/d#x',
    'postgres://u:12/34@h/d',
    'postgres://u:12@34@h/d',
    'postgres://u:12%@h/d',
    'postgres://u:12%FF@h/d',
    'postgres://u:p@%zz/d',
  ])('%s is rejected, and the right form is shown', (url) => {
    expect(problems({ DATABASE_URL: url })).toEqual([
      expect.stringContaining('DATABASE_URL must be postgres://user:password@host:5432/database'),
    ])
  })
})

describe('a secret in a file', () => {
  test('is read without its last newline', () => {
    const passwordFile = file('password', ' s3cret\n\r\n')
    const password = readConfig({ POSTGRES_PASSWORD_FILE: passwordFile }).database
    expect(password).toEqual({ ...server, password: ' s3cret\n', passwordFile })
    const url = readConfig({ DATABASE_URL_FILE: file('url', 'postgres://u:s3cret@h/d\n') }).database
    expect(url).toEqual({ ...server, host: 'h', user: 'u', password: 's3cret', database: 'd' })
  })

  test('is rejected if it cannot be read, is empty, or the variable is set too', () => {
    const missing = join(folder, 'missing')
    expect(problems({ POSTGRES_PASSWORD_FILE: missing })).toEqual([
      'POSTGRES_PASSWORD_FILE names a file that cannot be read (ENOENT): check its path and permissions.',
    ])
    expect(problems({ DATABASE_URL_FILE: folder })).toEqual([
      'DATABASE_URL_FILE names a file that cannot be read (EISDIR): check its path and permissions.',
    ])
    expect(problems({ DATABASE_URL_FILE: file('empty', '\n') })).toEqual([
      'DATABASE_URL_FILE names an empty file: it must hold the value.',
    ])
    expect(problems({ POSTGRES_PASSWORD: 'a', POSTGRES_PASSWORD_FILE: file('password', 'a') })).toEqual([
      'POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set: keep one of them.',
    ])
  })
})

describe('a secret with blanks or newlines at its ends', () => {
  const warnings = (env: NodeJS.ProcessEnv) => readConfig(env).warnings

  test.each([
    ['x\n', 'ends with a newline'],
    ['x\r\n', 'ends with a newline'],
    ['x\r', 'ends with a newline'],
    ['x\n\n', 'ends with a newline'],
    ['\n', 'ends with a newline'],
    ['x ', 'ends with a blank'],
    ['x\t', 'ends with a blank'],
    ['x\u00a0', 'ends with a blank'],
    [' x', 'begins with a blank'],
    ['\ufeffx', 'begins with a blank'],
    ['\nx', 'begins with a blank'],
  ])('is a password as it is, with a warning: %j', (password, stray) => {
    const config = readConfig({ POSTGRES_PASSWORD: password })
    expect(config.database).toEqual({ ...server, password })
    expect(config.warnings).toEqual([
      `POSTGRES_PASSWORD ${stray}, which counts as part of the password: remove it unless that is right.`,
    ])
  })

  test('may have one newline in a file, and is reported with more', () => {
    for (const text of ['x', 'x\n', 'x\r\n', 'a b\n'])
      expect(warnings({ POSTGRES_PASSWORD_FILE: file('password', text) }), JSON.stringify(text)).toEqual([])
    for (const text of ['x\n\n', 'x\r\n\r\n', 'x\n\r', '\n\n'])
      expect(warnings({ POSTGRES_PASSWORD_FILE: file('password', text) }), JSON.stringify(text)).toEqual([
        'The file of POSTGRES_PASSWORD_FILE, without its last newline, ends with a newline, which counts as part of the password: remove it unless that is right.',
      ])
    expect(warnings({ POSTGRES_PASSWORD_FILE: file('password', 'x \n') })).toEqual([
      expect.stringContaining('ends with a blank'),
    ])
  })

  test('is not valid in a URL', () => {
    for (const url of ['postgres://u:p@h/d\n', 'postgres://u:p@h\r\n', 'postgres://h/d?sslmode=require\n'])
      expect(problems({ DATABASE_URL: url })).toEqual(['DATABASE_URL ends with a newline: remove it.'])
    expect(problems({ DATABASE_URL: ' postgres://h' })).toEqual(['DATABASE_URL begins with a blank: remove it.'])
    expect(problems({ DATABASE_URL_FILE: file('url', 'postgres://h \n') })).toEqual([
      'The file of DATABASE_URL_FILE, without its last newline, ends with a blank: remove it.',
    ])
  })
})

describe('invalid settings', () => {
  test.each([
    ['HOST', 'localhost:3000', 'an IP address or a host name, without a port'],
    ['HOST', 'http://localhost', 'an IP address or a host name, without a port'],
    ['PORT', '65536', 'a whole number from 0 to 65535'],
    ['PORT', '-1', 'a whole number from 0 to 65535'],
    ['PORT', '3000.5', 'a whole number from 0 to 65535'],
    ['PORT', '0x10', 'a whole number from 0 to 65535'],
    ['PORT', ' 3000', 'a whole number from 0 to 65535'],
    ['POSTGRES_PORT', '0', 'a whole number from 1 to 65535'],
    ['POSTGRES_POOL', '0', 'a whole number from 1 to 1000'],
    ['POSTGRES_PORT', 'tcp://10.0.0.1:5432', 'a whole number from 1 to 65535'],
    ['DRAIN_SECONDS', '301', 'a whole number from 0 to 300'],
    ['POSTGRES_SSLMODE', 'prefer', 'one of disable, require, verify-full'],
    ['MIGRATE', 'off', 'one of on, check'],
    ['LOG_LEVEL', 'INFO', 'one of fatal, error, warn, info, debug, trace, silent'],
  ])('%s=%s is reported with what is valid', (name, value, right) => {
    expect(problems({ [name]: value })).toEqual([`${name} is "${value}": it must be ${right}.`])
  })

  test.each(['10.0.0.0/33', '10.0.0.0/0', '::/0', '::1/129', '10.0.0', 'loopback', '10.0.0.0/8/8', 'true', '1'])(
    'TRUST_PROXY=%s is reported with what is valid',
    (range) => {
      expect(problems({ TRUST_PROXY: `127.0.0.1,${range}` })).toEqual([
        `TRUST_PROXY has "${range}": it must be an address or a range such as 10.0.0.0/8.`,
      ])
    },
  )

  test('are all reported at once, one per line', () => {
    const env = { PORT: 'x', MIGRATE: 'x', LOG_LEVEL: 'x', DRAIN_SECONDS: 'x', TRUST_PROXY: 'x', POSTGRES_PORT: 'x' }
    const found = problems({ ...env, POSTGRES_HOST: 'x:x', POSTGRES_SSLMODE: 'x', POSTGRES_PASSWORD_FILE: '/x' })
    for (const name of [...Object.keys(env), 'POSTGRES_HOST', 'POSTGRES_SSLMODE', 'POSTGRES_PASSWORD_FILE'])
      expect(found).toContainEqual(expect.stringMatching(`^${name} `))
    expect(found).toHaveLength(9)
  })

  test('never reveal part of a secret, however it was mistyped', () => {
    const word = fc.stringMatching(/^[0-9]{4}[g-z]{4}$/)
    const password = fc.array(fc.tuple(word, fc.constantFrom(...'@:/?#%&=[] ', '?sslmode=', '%zz', '%FF')), {
      minLength: 1,
      maxLength: 3,
    })
    const place = fc.constantFrom<(secret: string) => NodeJS.ProcessEnv>(
      (secret) => ({ DATABASE_URL: secret }),
      (secret) => ({ DATABASE_URL: `postgres://u:${secret}@h/d` }),
      (secret) => ({ DATABASE_URL: `postgres://${secret}` }),
      (secret) => ({ DATABASE_URL: `${secret}://u@h`, POSTGRES_PASSWORD: secret }),
      (secret) => ({ POSTGRES_SERVER: `postgres://u:${secret}@h/d`, POSTGRES_PASSWORD: secret, POSTGRES_PORT: 'x' }),
      (secret) => ({ POSTGRES_PASSWORD_FILE: secret, POSTGRES_PASSWORD: secret }),
    )
    fc.assert(
      fc.property(password, place, (pieces, env) => {
        const text = problems({ ...env(pieces.flat().join('')), PORT: 'x' }).join()
        for (const [piece] of pieces) expect(text).not.toContain(piece)
        expect(text).toContain('PORT')
      }),
    )
  })
})

test('the metrics are served nowhere unless METRICS_PORT says where', () => {
  expect(readConfig({}).metrics).toBeUndefined()
  expect(readConfig({ METRICS_PORT: '9464' }).metrics).toEqual({ host: '127.0.0.1', port: 9464 })
  expect(readConfig({ METRICS_PORT: '0', METRICS_HOST: '::' }).metrics).toEqual({ host: '::', port: 0 })
  expect(readConfig({ METRICS_HOST: '::' })).toMatchObject({
    metrics: undefined,
    warnings: [expect.stringMatching(/^METRICS_HOST has no effect/)],
  })
  expect(() => readConfig({ METRICS_PORT: '-1' })).toThrow(
    'METRICS_PORT is "-1": it must be a whole number from 0 to 65535.',
  )
  expect(() => readConfig({ METRICS_PORT: '1', METRICS_HOST: 'a:1' })).toThrow('METRICS_HOST is "a:1"')
})
