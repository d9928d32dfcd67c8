import { execFileSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { library, remote } from '../support/http.ts'
import { startPostgres } from '../support/postgres.ts'
import { run, serve, start } from '../support/program.ts'
import { isLong } from '../support/rounds.ts'

vi.setConfig({ testTimeout: 300_000 })

const megabyte = 1024 * 1024

/** Mounts a disk of that size in memory; it is unmounted at the end of the test. */
async function disk(megabytes: number) {
  const folder = await mkdtemp(join(tmpdir(), 'sample-api-disk-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder])
  onTestFinished(() => void execFileSync('umount', [folder]))
  await chmod(folder, 0o755)
  const filler = join(folder, 'filler')
  return {
    folder,
    resize: (megabytes: number) => execFileSync('mount', ['-o', `remount,size=${megabytes}m`, folder]),
    /** Fills it but for this many bytes. */
    fill(left = 0) {
      const file = openSync(filler, 'w')
      let size = 0
      for (const part of [megabyte, 4096, 512])
        try {
          for (;;) size += writeSync(file, Buffer.alloc(part))
        } catch {} // full
      ftruncateSync(file, Math.max(0, size - left))
      closeSync(file)
    },
    free: () => rmSync(filler),
  }
}

/** Writes until the disk is full; the number of rows that were acknowledged. */
async function writeUntilFull({ batch }: ReturnType<typeof remote>): Promise<number> {
  for (let rows = 0; ; rows += 1000) {
    const { status, body } = await batch(1000)
    if (status === 200) continue
    expect([status, body.code]).toEqual([503, 'storage-full'])
    return rows
  }
}

/** Imports new houses, each in a city of its own. */
const importHouses = ({ url }: { url: string }, count: number) =>
  remote(url).send(
    'POST',
    '/api/v2/housing/import',
    Array.from({ length: count }, (_, i) => ({ ...library, city: `City ${i}` })),
  )

/** Imports more than the disk has room for: nothing of it is there then, and the process goes on. */
async function failsWhileFull({ url }: { url: string }): Promise<void> {
  const { total, alive } = remote(url)
  for (let i = 0; i < 3; i++) {
    const { status, body } = await importHouses({ url }, 20_000)
    expect({ status, code: body.code }).toEqual({ status: 503, code: 'storage-full' })
    expect([0, undefined]).toContain(await total()) // the embedded database may need space for reading too
    expect(await alive()).toBe(200)
  }
}

beforeEach(({ skip }) => {
  skip(!isLong, 'it takes long: npm run faults:disk')
  skip(process.getuid?.() !== 0 || process.platform !== 'linux', 'only root can mount a small disk, on Linux')
})

describe('a full disk', () => {
  test.each([0, 8, 20])(
    'of the embedded database, with %s MB left, stops writes until there is space',
    async (left) => {
      const { folder, fill, free } = await disk(110)
      const program = await serve({ env: { DATA_DIR: join(folder, 'data') } })
      const api = remote(program.url)
      expect((await api.batch(1000)).status).toBe(200)
      fill(left * megabyte)
      const stored = 1000 + (await writeUntilFull(api))
      fill()
      for (let i = 0; i < 5; i++) {
        const write = await api.post()
        expect([write.status, write.body.code]).toEqual([503, 'storage-full'])
        const read = await api.list('?limit=1')
        expect([200, 503]).toContain(read.status)
        if (read.status === 503) expect(read.body.code).toBe('storage-full')
        expect(await api.alive()).toBe(200)
      }
      expect(await api.ready()).toBe(503)
      free()
      await expect.poll(async () => (await api.post()).status, { timeout: 60_000 }).toBe(201)
      expect(await api.total()).toBe(stored + 1)
      expect(await api.ready()).toBe(200)
      program.signal('SIGTERM')
      expect(await program.exit).toBe(0)
    },
  )

  test('of a server stops writes, not reads, until there is space', async () => {
    const { folder, fill, free } = await disk(500)
    const server = await startPostgres({ parent: folder })
    onTestFinished(server.stop)
    const program = await serve({ env: { DATABASE_URL: server.url } })
    const api = remote(program.url)
    expect((await api.batch(1000)).status).toBe(200)
    fill()
    const stored = 1000 + (await writeUntilFull(api))
    for (let i = 0; i < 5; i++) {
      expect((await api.list('?limit=1')).status).toBe(200)
      expect(await api.alive()).toBe(200)
    }
    expect(await api.ready()).toBe(503)
    free()
    const posted = async () => (await api.post()).status
    await expect.poll(posted, { timeout: 60_000 }).toBe(201)
    expect(await api.total()).toBeGreaterThan(stored)
    expect(await api.ready()).toBe(200)
  })

  test.each([
    ['staged', 'housing.import_chunks'],
    ['applied', 'housing.housing'],
  ])('of a server, while an import is %s, leaves nothing of it, until there is space', async (_what, table) => {
    const { folder, fill, free } = await disk(100)
    const server = await startPostgres()
    onTestFinished(server.stop)
    const program = await serve({ env: { DATABASE_URL: server.url } })
    const api = remote(program.url)
    const client = new pg.Client(server.url)
    await client.connect()
    onTestFinished(() => client.end())
    const { uid, gid } = await stat(server.data)
    await chown(folder, uid, gid)
    await client.query(`create tablespace small location '${folder}'`)
    await client.query(`alter table ${table} set tablespace small`)
    fill(megabyte)
    await failsWhileFull(program)
    const left = await client.query('select from housing.imports union all select from housing.import_chunks')
    expect(left.rowCount).toBe(0)
    free()
    expect(await importHouses(program, 20_000)).toMatchObject({ status: 200, body: { created: 20_000 } })
    expect(await api.total()).toBe(20_000)
  })

  test.each([0, 8, 20])(
    'of the embedded database, with %s MB left, leaves nothing of an import, until there is space',
    async (left) => {
      const { folder, fill, free } = await disk(300)
      const program = await serve({ env: { DATA_DIR: join(folder, 'data') } })
      fill(left * megabyte)
      await failsWhileFull(program)
      free()
      await expect
        .poll(() => importHouses(program, 20_000), { timeout: 60_000 })
        .toMatchObject({ status: 200, body: { created: 20_000 } })
      expect(await remote(program.url).total()).toBe(20_000)
    },
  )

  test('at the first start is reported, and the next start succeeds once there is space', async () => {
    const { folder, resize } = await disk(20)
    const DATA_DIR = join(folder, 'data')
    const { code, stderr } = await run({ env: { DATA_DIR } })
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringMatching(/^sample-api: \S+ cannot be written to \(the disk is full\): free some space/),
    })
    resize(200)
    const { url } = await serve({ env: { DATA_DIR } })
    expect((await remote(url).post()).status).toBe(201)
  })

  test('is what doctor finds, before it is full', async () => {
    const { folder, fill } = await disk(1500)
    const env = { DATA_DIR: join(folder, 'data') }
    expect(await run({ command: ['migrate'], env })).toMatchObject({ code: 0 })
    /** What it says of the disk. */
    const examined = async () => {
      const { code, stdout } = await run({ command: ['doctor', '--json'], env })
      return { code, status: JSON.parse(stdout).checks.find(({ check }: { check: string }) => check === 'disk').status }
    }
    expect(await examined()).toEqual({ code: 0, status: 'ok' })
    fill(500 * megabyte)
    expect(await examined()).toEqual({ code: 0, status: 'warning' })
    fill(50 * megabyte)
    expect(await examined()).toEqual({ code: 1, status: 'failed' })
  })

  test('at a start after a crash is reported, and no row is lost', async () => {
    const { folder, fill, free } = await disk(110)
    const DATA_DIR = join(folder, 'data')
    const program = await serve({ env: { DATA_DIR } })
    const api = remote(program.url)
    expect((await api.batch(1000)).status).toBe(200)
    fill(20 * megabyte)
    const stored = 1000 + (await writeUntilFull(api))
    program.signal('SIGKILL')
    await program.exit
    fill()
    const second = start({ env: { DATA_DIR } })
    const exit = await Promise.race([second.exit, second.says('Ready: ').catch(() => second.exit)])
    if (exit === 1) expect(second.output.stderr).toContain('(the disk is full): free some space')
    else expect(exit).toBe('Ready: ') // its recovery needed no space
    if (exit === 'Ready: ') second.signal('SIGKILL')
    await second.exit
    free()
    const next = await serve({ env: { DATA_DIR } })
    expect(await remote(next.url).total()).toBe(stored)
  })
})
