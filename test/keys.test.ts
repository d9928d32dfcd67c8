import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { isWellFormed } from '../src/access/api-key.ts'
import { ApiKeys } from '../src/access/keys.ts'
import { readConfig } from '../src/config/config.ts'
import { Notices } from '../src/database/listen.ts'
import { openDatabase } from '../src/database/open.ts'
import { embedded, onServer, readerOf, temporaryFolder } from './support/places.ts'
import { run, serve } from './support/program.ts'

vi.setConfig({ testTimeout: 240_000 })

const hour = 60 * 60 * 1000
type Env = Record<string, string>

/** Runs `keys` with these arguments. */
const keys = (env: Env, ...command: string[]) => run({ env, command: ['keys', ...command] })

/** The same, where it succeeds: its stdout and stderr. */
async function succeeds(env: Env, ...command: string[]) {
  const { code, ...output } = await keys(env, ...command)
  expect(code, output.stderr).toBe(0)
  return output
}

const list = async (env: Env) => JSON.parse((await succeeds(env, 'list', '--json')).stdout)

async function migratedServer() {
  const place = await onServer()
  expect((await run({ env: place.env, command: ['migrate'] })).code).toBe(0)
  return place
}

describe.each([
  ['embedded', embedded],
  ['server', migratedServer],
])('on the back end %s', (_backend, place) => {
  test('a key is made, listed, rotated and revoked', async () => {
    const { env } = await place()
    expect((await succeeds(env, 'list')).stderr).toContain('There are no API keys yet: `keys create` makes one.\n')

    const made = await succeeds(
      env,
      ...['create', '--name', ' Import job ', '--scope', 'housing:write', '--scope', 'housing:read'],
    )
    expect(isWellFormed(made.stdout.replace(/\n$/, '')), 'the key alone is on stdout').toBe(true)
    const [first, ...others] = await list(env)
    const { id, created_at, expires_at } = first
    expect([first, ...others]).toEqual([
      {
        ...{ id, name: 'Import job', scopes: ['housing:read', 'housing:write'], created_at, created_by: 'postgres' },
        ...{ expires_at, revoked_at: null, last_used_on: null, state: 'active' },
      },
    ])
    expect(Date.parse(expires_at) - Date.parse(created_at)).toBe(90 * 24 * hour)
    for (const line of [`id       ${id} (in the log and the change log: key:${id})`, 'name     Import job'])
      expect(made.stderr).toContain(`  ${line}\n`)
    expect(made.stderr).toContain('  scopes   housing:read, housing:write\n  expires  20')
    expect(made.stderr).not.toContain(made.stdout.trim())

    const rotated = await succeeds(env, 'rotate', id, '--overlap', '2h')
    expect(isWellFormed(rotated.stdout.trim()) && rotated.stdout !== made.stdout).toBe(true)
    expect(rotated.stderr).toMatch(new RegExp(`The old key ${id} stays valid until 20\\d\\d-.* UTC\\.\n$`))
    const [old, successor] = await list(env)
    expect(Date.parse(old.expires_at) - Date.parse(successor.created_at)).toBe(2 * hour)
    expect(successor).toMatchObject({ name: 'Import job', scopes: old.scopes, state: 'active' })
    expect(Date.parse(successor.expires_at) - Date.parse(successor.created_at)).toBe(90 * 24 * hour)

    const last = await succeeds(env, 'rotate', successor.id, '--overlap', '0h')
    expect(last.stderr).toContain(`The old key ${successor.id} is revoked.\n`)

    expect((await succeeds(env, 'revoke', `key:${id}`)).stderr).toContain(`The key ${id} (Import job) is revoked.`)
    const ended = await list(env)
    expect(ended.map(({ state }: { state: string }) => state)).toEqual(['revoked', 'revoked', 'active'])
    const { revoked_at } = ended[0]
    expect((await succeeds(env, 'revoke', id)).stderr).toContain(
      `The key ${id} (Import job) was already revoked at ${revoked_at.slice(0, 16).replace('T', ' ')} UTC.\n`,
    )
    expect(await keys(env, 'rotate', id)).toMatchObject({
      ...{ code: 2, stdout: '' },
      stderr: expect.stringMatching(`The key ${id} was revoked at .*: make a new one by \`keys create\`.`),
    })

    expect(await list(env), 'neither changed anything').toEqual(ended)

    const table = (await succeeds(env, 'list')).stdout.split('\n')
    expect(table[0]).toMatch(/^ID {8}NAME {8}SCOPES +CREATED +BY +EXPIRES +LAST USED +STATE$/)
    expect(table[1]).toMatch(
      new RegExp(`^${id} {2}Import job {2}housing:read, housing:write .* postgres .* never .* revoked 20.* UTC$`),
    )
    expect(table).toHaveLength(5)
  })

  test('an unknown id is a mistake of the caller', async () => {
    const { env } = await place()
    for (const command of ['revoke', 'rotate'])
      expect(await keys(env, command, '00000000')).toMatchObject({
        ...{ code: 2, stdout: '' },
        stderr: expect.stringContaining('No API key has the id 00000000: `keys list` lists them.\n'),
      })
  })

  test('a key that cannot be printed is not made', async ({ skip }) => {
    skip(!existsSync('/dev/full'), '/dev/full is needed: a device whose disk is full')
    const { env } = await place()
    const program: [string, ...string[]] = ['sh', '-c', 'exec node dist/main.js "$@" > /dev/full', 'sh']
    const command = ['keys', 'create', '--name', 'Lost', '--scope', 'housing:read']
    expect(await run({ env, program, command })).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/stdout cannot be written to \(ENOSPC.*\)\. Nothing was changed\.\n$/),
    })
    expect(await list(env)).toEqual([])
  })
})

test.each([
  ['create --scope housing:read', "required option '--name <text>' not specified"],
  ['create --name x', "required option '--scope <scope...>' not specified"],
  [
    'create --name x --scope housing:raed',
    '--scope is "housing:raed": it must be one of housing:read, housing:write, housing:admin.',
  ],
  ['create --name x --scope housing:read,housing:write', '--scope is "housing:read,housing:write": it must be one of'],
  ['create --name %20 --scope housing:read', '--name must be 1 to 100 characters in one line, and not only blanks.'],
  ['create --name a%0Ab --scope housing:read', '--name must be 1 to 100 characters'],
  [`create --name ${'x'.repeat(101)} --scope housing:read`, '--name must be 1 to 100 characters'],
  ...['90', 'd', '1.5d', '-1d', '0h', '366d', '9999h', '1y', '90%20d', '%EF%BC%91d', 'infinity'].map((duration) => [
    `create --name x --scope housing:read --expires=${duration}`,
    `--expires is "${decodeURIComponent(duration)}": it must be a whole number with d, h, m or s (days to seconds), from 1s to 365d, such as 90d.`,
  ]),
  ['rotate 7f3a9c01 --overlap 366d', '--overlap is "366d": it must be a whole number'],
  ['rotate', "missing required argument 'id'"],
  ['revoke', "missing required argument 'id'"],
  ['revoke 7F3A9C01', 'An id has 8 characters from 0-9 and a-f, such as 7f3a9c01: `keys list` lists them.'],
  ['revoke 7f3a9c01 7f3a9c02', 'too many arguments'],
  ['revoke hr_secret', 'This is a key, not its id. An id has 8 characters'],
  ['delete 7f3a9c01', "unknown command 'delete'"],
  ['list --xml', "unknown option '--xml'"],
])('keys %s ends with code 2 and says what would be right', async (words, message) => {
  const command = words.split(' ').map(decodeURIComponent)
  const { code, stdout, stderr } = await keys({ DATA_DIR: '/nowhere' }, ...command)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(message)
  expect(stderr).not.toContain('hr_secret')
})

test('without the schema it says to migrate, and makes nothing', async () => {
  const folder = join(await temporaryFolder(), 'data')
  expect(await keys({ DATA_DIR: folder }, 'list')).toMatchObject({
    code: 1,
    stderr: `sample-api: There is no database in ${folder}: run \`migrate\` first, or set DATA_DIR.\n`,
  })
  expect(existsSync(folder)).toBe(false)
  const { env } = await onServer()
  expect(await keys(env, 'create', '--name', 'x', '--scope', 'housing:read')).toMatchObject({
    ...{ code: 1, stdout: '' },
    stderr: expect.stringMatching(/^sample-api: The schema is missing: run `migrate` first\. \(Postgres at .*\)\n$/),
  })
})

test('while the API uses the embedded database, it says to stop that', async () => {
  const { env } = await embedded()
  const { pid } = await serve({ env })
  expect(await keys(env, 'list')).toMatchObject({
    code: 1,
    stderr: `sample-api: The embedded database serves one process at a time, and is in use by process ${pid}. If that is the API, stop it, run this command again, and then start it.\n`,
  })
})

test('a role that only serves may list keys, and note their use, but can neither make nor end one', async () => {
  const { env, query } = await migratedServer()
  const { stdout } = await succeeds(env, 'create', '--name', 'x', '--scope', 'housing:read')
  const [{ id }] = await list(env)
  const { role, env: asRole } = await readerOf({ env, query })
  const database = await openDatabase(readConfig(asRole).database)
  onTestFinished(() => database.close())
  const serving = new ApiKeys(database, new Notices())
  await serving.callerOf(stdout.trim())
  await expect(serving.flush()).rejects.toThrow('This role may not update the column last_used_on of housing.api_keys.')
  expect((await database.findTrouble()).schema, 'no reason not to be ready').not.toContain('api_keys')
  await query(`grant update (last_used_on) on housing.api_keys to ${role}`)
  await serving.flush()
  const [listed] = await list(asRole)
  expect(listed).toMatchObject({ id, state: 'active', last_used_on: expect.any(String) })
  for (const command of [
    ['create', '--name', 'x', '--scope', 'housing:admin'],
    ['rotate', id],
    ['revoke', id],
  ])
    expect(await keys(asRole, ...command)).toMatchObject({
      ...{ code: 1, stdout: '' },
      stderr: `sample-api: The role ${role} may not do this (permission denied for table api_keys): run the command with the settings of the role that owns the schema housing.\n`,
    })
  expect(await list(env)).toEqual([listed])
})

test('a key is accepted by processes that were running before it was made, and by none once it is revoked', async () => {
  const { env } = await migratedServer()
  const processes = await Promise.all(
    [1, 2].map(async () => {
      const database = await openDatabase(readConfig(env).database)
      onTestFinished(() => database.close())
      return new ApiKeys(
        database,
        database.listen('api_keys', () => {}),
      )
    }),
  )
  const all = (key: string) =>
    Promise.all(
      processes.map(async (each) => {
        try {
          return (await each.callerOf(key)).name
        } catch (error) {
          return (error as Error).message
        }
      }),
    )
  const key = (await succeeds(env, 'create', '--name', 'x', '--scope', 'housing:read')).stdout.trim()
  const [{ id }] = await list(env)
  const soon = { timeout: 10_000 }
  await expect.poll(() => all(key), soon).toEqual([`key:${id}`, `key:${id}`])
  for (const each of processes) await each.flush()
  expect((await list(env))[0].last_used_on).toMatch(/^20\d\d-\d\d-\d\d$/)
  await succeeds(env, 'revoke', id)
  const revoked = `the API key ${id} is revoked`
  await expect.poll(() => all(key), soon).toEqual([revoked, revoked])
})
