import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { changesOf, housesOf } from '../support/chaos/chaos.ts'
import { beClient, Round } from '../support/chaos/clients.ts'
import { violations } from '../support/chaos/history.ts'
import { startPostgres } from '../support/postgres.ts'
import { type Program, startProgram } from '../support/restartable.ts'
import { isLong } from '../support/rounds.ts'
import { type ProxyServer, programOf, proxies, startProxy } from './proxies.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const haproxy = proxies.find(({ name }) => name === 'haproxy') as ProxyServer
const needed = "haproxy is needed: install Debian's package haproxy"
/** Longer than haproxy needs to notice, also on a busy machine. */
const DRAIN_SECONDS = '5'

test('instances are restarted one after the other under load, and no request fails', async ({ skip }) => {
  skip(!programOf(haproxy), needed)
  const { programs, restart, load } = await twoInstances()
  const { requests, end } = load()
  for (let i = 0; i < (isLong ? 20 : 2); i++) await restart(programs[i % 2] as Program)
  while (requests() < (isLong ? 100_000 : 2000)) await sleep(50)
  await end()
}, 1_800_000)

test('a newer release migrates while the old one serves, the old one restarts beside it, and both are rolled back', async ({
  skip,
}) => {
  skip(!programOf(haproxy), needed)
  const { programs, restart, load } = await twoInstances()
  const [one, two] = programs as [Program, Program]
  const newer = await newerRelease()
  const { end } = load()
  await restart(one, newer)
  expect(await schemaOf(one)).toMatchObject({ expected: '99.0.0', found: '99.0.0' })
  await restart(two)
  expect(await schemaOf(two)).toMatchObject({ expected: expect.not.stringMatching('99'), found: '99.0.0' })
  await restart(two, newer)
  await restart(one)
  await restart(two)
  await end()
}, 600_000)

/** What the instance says about the schema. */
async function schemaOf({ url }: Program) {
  const answer = await fetch(`${url}/readyz`)
  return ((await answer.json()) as { checks: { schema: object } }).checks.schema
}

/** The built program with one more migration, which only adds. */
async function newerRelease(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sample-api-newer-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  for (const name of ['dist', 'db', 'package.json', 'openapi.json'])
    await cp(join(root, name), join(folder, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(
    join(folder, 'db/migrations/V99.0.0__owners.sql'),
    `set local lock_timeout = '10s';
     create table housing.owners (id integer generated always as identity primary key);
     alter table housing.housing add owner_id integer references housing.owners;
     alter table housing.changes add owner_id integer;
     alter table housing.housing_types add note text not null default ''`,
  )
  return folder
}

/** Two instances on a server of their own, behind haproxy with the configuration of docs/operating.md. */
async function twoInstances() {
  const server = await startPostgres()
  onTestFinished(server.stop)
  const programs: Program[] = []
  for (let i = 0; i < 2; i++) {
    const program = await startProgram({ DATABASE_URL: server.url, DRAIN_SECONDS, TRUST_PROXY: '127.0.0.1' })
    onTestFinished(async () => void (await program.kill().catch(() => {}))) // it may have ended
    programs.push(program)
  }
  const addresses = programs.map(({ url }) => url.slice('http://'.length))
  const paper = await readFile(join(root, 'docs/operating.md'), 'utf8')
  const [, written = ''] = /```haproxy\n(.*?)```/s.exec(paper) ?? []
  let socket = ''
  const config = (listen: number, _port: number, folder: string) => {
    socket = join(folder, 'socket')
    const mine = written
      .replace('bind :80', `bind 127.0.0.1:${listen}`)
      .replace(/10\.0\.0\.\d:3000/g, () => addresses.shift() as string)
    return `global\n  stats socket ${socket}\n${mine}`
  }
  const url = await startProxy({ ...haproxy, config }, 0)
  const isUp = async (program: Program) => {
    const lines = (await ask(socket, 'show stat')).split('\n')
    const row = lines.find((line) => line.startsWith(`api,${programs.indexOf(program) === 0 ? 'one' : 'two'},`))
    return row?.split(',')[17] === 'UP'
  }
  return {
    programs,
    /** Ends it as an operator does, and starts this release again; until haproxy sends it requests. */
    async restart(program: Program, folder = root) {
      expect(await program.stop()).toBe(0)
      await program.start(folder)
      while (!(await isUp(program))) await sleep(50)
    },
    /** Writes and reads until the end, when nothing may have failed, and everything that was acknowledged must be there. */
    load() {
      const round = new Round(1, [url])
      let reads = 0
      const failed: string[] = []
      const read = async () => {
        while (round.isRunning) {
          const id = [...round.houses.keys()].at(-1) ?? 1
          const path = `/api/v2/housing${reads++ % 2 === 0 ? `/${id}` : '?postal_code=V8V1A1&limit=10'}`
          const answer = await fetch(url + path).catch(String)
          if (typeof answer === 'string') failed.push(`${path}: ${answer}`)
          else if (![200, 404].includes(answer.status)) failed.push(`${path}: ${answer.status} ${await answer.text()}`)
          else await answer.text().catch((error) => failed.push(`${path}: ${error}`))
        }
      }
      const all = [...[1, 2, 3, 4].map((number) => beClient(round, number)), ...Array.from({ length: 8 }, read)]
      for (const task of all) task.catch(() => (round.isRunning = false))
      const requests = () => reads + (round.did.requests ?? 0)
      const end = async () => {
        round.isRunning = false
        await Promise.all(all)
        const wrong = Object.keys(round.did).filter((what) => /^(5|refused|cut off)/.test(what))
        expect([...failed, ...wrong.map((what) => `${round.did[what]} × ${what}`), ...round.found]).toEqual([])
        const [program] = programs as [Program]
        expect(violations(round.writes, await changesOf(program), await housesOf(program))).toEqual([])
        expect(round.did.done).toBeGreaterThan(0)
        process.stdout.write(`0 of ${requests()} requests failed\n`)
      }
      return { requests, end }
    },
  }
}

/** What haproxy answers over its socket. */
async function ask(path: string, question: string): Promise<string> {
  const socket = connect(path).setEncoding('utf8')
  socket.write(`${question}\n`)
  let answer = ''
  for await (const chunk of socket) answer += chunk
  return answer
}
