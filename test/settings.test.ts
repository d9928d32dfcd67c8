import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { type secrets, settings } from '../src/config/settings.ts'
import { temporaryFolder } from './support/places.ts'
import { run } from './support/program.ts'

vi.setConfig({ testTimeout: 120_000 })

interface Shown {
  name: string
  value: string | null
  from: string
}

/** What `settings` prints, by name, and that its table for people says the same. */
async function shown(env: Record<string, string>): Promise<Record<string, Omit<Shown, 'name'>>> {
  const { code, stdout } = await run({ command: ['settings', '--json'], env })
  const all: Shown[] = JSON.parse(stdout)
  const table = await run({ command: ['settings'], env })
  expect([code, table.code]).toEqual([0, 0])
  const lines = table.stdout.trimEnd().split('\n')
  expect(lines.map((line) => line.split(/ {2,}/))).toEqual(
    all.map(({ name, value, from }) => [name, value || '–', from]),
  )
  return Object.fromEntries(all.map(({ name, ...rest }) => [name, rest]))
}

test('--help has every setting with its default and its meaning', async () => {
  const { code, stdout } = await run({ command: ['--help'] })
  expect(code).toBe(0)
  const text = stdout.replace(/\s+/g, ' ')
  for (const [name, { default: value, meaning }] of Object.entries(settings))
    expect(text).toContain(` ${name} ${meaning.replaceAll('`', '')}${value === '' ? '' : ` Default: ${value}`}`)
})

test('settings prints each setting, also those that nobody set', async () => {
  const found = await shown({ LOG_LEVEL: 'debug', PORT: '0' })
  expect(Object.keys(found)).toEqual(Object.keys(settings))
  expect(found).toMatchObject({
    HOST: { value: '127.0.0.1', from: 'default' },
    PORT: { value: '0', from: 'PORT' },
    HOSTS: { value: 'localhost, *.localhost, 127.0.0.1, [::1]', from: 'default' },
    LOG_LEVEL: { value: 'debug', from: 'LOG_LEVEL' },
    DATA_DIR: { value: 'data', from: 'default' },
    POSTGRES_USER: { value: null, from: 'not used: the database is embedded' },
    AUTH_ISSUER: { value: null, from: 'not used: AUTH is open' },
  })
})

test.each([
  ['its parts', { POSTGRES_HOST: 'db:5433', POSTGRES_USER: 'me' }, { host: 'POSTGRES_HOST', user: 'POSTGRES_USER' }],
  ['a URL', { DATABASE_URL: 'postgres://me:x@db:5433' }, { host: 'DATABASE_URL', user: 'DATABASE_URL' }],
])('settings says what %s of a server make(s) of each setting', async (_, env, { host, user }) => {
  expect(await shown(env)).toMatchObject({
    POSTGRES_SERVER: { value: 'db', from: host },
    POSTGRES_PORT: { value: '5433', from: host },
    POSTGRES_USER: { value: 'me', from: user },
    POSTGRES_DB: { value: 'postgres', from: 'default' },
    DATA_DIR: { value: null, from: 'not used: the database is on a server' },
  })
})

test('settings never prints a secret, however it is given', async () => {
  const folder = await temporaryFolder()
  const url = 'postgres://me:hunter2@127.0.0.1/homes'
  const given: Record<(typeof secrets)[number], string> = {
    POSTGRES_PASSWORD: 'hunter2',
    DATABASE_URL: url,
    API_KEY: 'hunter2',
  }
  for (const [name, value] of Object.entries(given)) {
    const file = join(folder, name)
    await writeFile(file, value)
    for (const [variable, text] of [
      [name, value],
      [`${name}_FILE`, file],
    ] as const) {
      const found = await shown({ [variable]: text })
      expect(found[name]).toEqual({ value: '(secret)', from: variable })
      expect(JSON.stringify(found)).not.toMatch('hunter2')
    }
  }
})

test.each([
  ['--port 4000', 'PORT=4000'],
  ['--port=4000', 'PORT=4000'],
  ['serve --log-level debug', 'LOG_LEVEL=debug'],
  ['keys --data-dir /data', 'DATA_DIR=/data'],
  ['--host', 'HOST=…'],
  ['PORT=4000', 'PORT=4000'],
  ['serve PORT=4000', 'PORT=4000'],
  ['--postgres-password=hunter2', 'POSTGRES_PASSWORD=…'],
  ['migrate --database-url postgres://me:hunter2@db', 'DATABASE_URL=…'],
])('%s: a setting that is given as an option leads to its variable', async (words, right) => {
  const { code, stderr } = await run({ command: words.split(' ') })
  expect(code).not.toBe(0)
  const [name] = right.split('=')
  expect(stderr.split('\n').at(-2)).toBe(
    `Settings are environment variables. Set ${name} before the command: ${right} npm start`,
  )
  expect(stderr).not.toContain('hunter2')
})

test('any other unknown option leads to the list of settings', async () => {
  const { stderr } = await run({ command: ['-p', '4000'] })
  expect(stderr).toBe("error: unknown option '-p'\nSettings are environment variables: --help lists them.\n")
})
