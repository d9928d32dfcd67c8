import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { readBackup } from '../../src/backup/format.ts'
import { onServer, temporaryFolder } from '../support/places.ts'
import { run, start } from '../support/program.ts'
import { diceFor, isLong, rounds } from '../support/rounds.ts'

vi.setConfig({ testTimeout: 600_000 * rounds })

const dice = diceFor('backup')
const houses = isLong ? 200_000 : 10_000

const succeed = async (env: Record<string, string>, ...command: string[]) =>
  expect(await run({ command, env })).toMatchObject({ code: 0 })

/** A registry on a server with so many houses, and a file for its backup. */
async function registry(houses: number) {
  const { env, query } = await onServer()
  await succeed(env, 'migrate')
  await query(`insert into housing.housing (address, street, city, postal_code, housing_type_id)
    select n, md5(n::text), 'Victoria', 'V8W 1P6', 1 from generate_series(1, ${houses}) n`)
  return { env, query, file: join(await temporaryFolder(), 'homes.backup') }
}

test('a backup that is killed is not there, and the next one is complete', async () => {
  const { env, file } = await registry(houses)
  for (let round = 0; round < rounds; round++) {
    const program = start({ command: ['backup', file], env })
    await vi.waitFor(() => expect(statSync(`${file}.unfinished`).size).toBeGreaterThan(0), {
      timeout: 60_000,
      interval: 1,
    })
    program.signal('SIGKILL')
    expect(await program.exit).toBe('SIGKILL')
    expect(existsSync(file)).toBe(false)
  }
  await succeed(env, 'backup', file)
  await succeed(env, 'restore', '--dry-run', file)
})

test('a restore that is killed has stored nothing on a server, and the next one succeeds', async () => {
  const { env, file } = await registry(houses)
  await succeed(env, 'backup', file)
  const target = await onServer()
  await succeed(target.env, 'migrate')
  const isStoring = `select from pg_stat_activity where datname = current_database() and query like 'insert into housing.%'`
  for (let round = 0; round < rounds; round++) {
    const program = start({ command: ['restore', file], env: target.env })
    await vi.waitFor(async () => expect((await target.query(isStoring)).rowCount).toBe(1), {
      timeout: 60_000,
      interval: 1,
    })
    await sleep(dice.between(0, 100 * round)) // another instant in each round
    program.signal('SIGKILL')
    expect(await program.exit).toBe('SIGKILL')
    const left = await target.query('select from housing.housing union all select from housing.changes')
    expect(left.rowCount).toBe(0)
  }
  await succeed(target.env, 'restore', file)
})

test('a restore that is killed has stored nothing in an embedded database, and the next one succeeds', async () => {
  const { env, file } = await registry(isLong ? 20_000 : 3000)
  await succeed(env, 'backup', file)
  const target = { DATA_DIR: join(await temporaryFolder(), 'data') }
  await succeed(target, 'migrate')
  let exit: string | number | null = 'SIGKILL'
  for (let round = 0; round < rounds && exit === 'SIGKILL'; round++) {
    const program = start({ command: ['restore', file], env: target })
    await vi.waitFor(() => expect(existsSync(join(target.DATA_DIR, 'holder.pid'))).toBe(true), {
      timeout: 60_000,
      interval: 1,
    })
    await sleep(dice.between(500, 1500)) // another instant in each round, the last of which may be too late
    program.signal('SIGKILL')
    exit = await program.exit
  }
  if (exit === 'SIGKILL') await succeed(target, 'restore', file)
  const copy = `${file}.copy`
  await succeed(target, 'backup', copy)
  const [written, stored] = await Promise.all([readBackup(file), readBackup(copy)])
  expect(stored.tables).toEqual(written.tables)
})

test('neither needs more memory for more houses', async ({ skip }) => {
  skip(!isLong, 'it takes long: npm run faults')
  const { env, file } = await registry(500_000)
  const little: [string, ...string[]] = [process.execPath, '--max-old-space-size=64', 'dist/main.js']
  expect(await run({ program: little, command: ['backup', file], env })).toMatchObject({ code: 0 })
  const target = await onServer()
  expect(await run({ program: little, command: ['restore', file], env: target.env })).toMatchObject({ code: 0 })
})
