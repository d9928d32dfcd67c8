import { createHash } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import {
  afterTests,
  base,
  checkout,
  docker,
  filesOf,
  healthy,
  published,
  root,
  run,
  start,
  tell,
  temporaryFolder,
  unique,
  until,
} from './docker.ts'

const image = unique('sample-api')
const hardened = ['--read-only', '--cap-drop=ALL', '--security-opt=no-new-privileges']
const open = ['--publish', '127.0.0.1::3000']
const house = {
  address: '735',
  street: 'Broughton Street',
  city: 'Victoria',
  postal_code: 'V8W 3H2',
  housing_type: 'COP',
}

const post = (url: string, body: unknown) =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

async function build(name: string, cwd: string, ...args: string[]): Promise<number> {
  const { code, output, seconds } = await run('docker', ['buildx', 'build', '--tag', name, ...args, '.'], { cwd })
  if (code !== 0) throw new Error(output)
  return seconds
}

beforeAll(async () => {
  afterTests(() => docker('rmi', '--force', image))
  tell(`build, with what the engine has in its cache: ${(await build(image, root, '--load')).toFixed(1)} s`)
})

/** What the image adds to its base. */
async function added(name: string, platform?: string) {
  const [{ files: below }, { files, archive }] = await Promise.all([filesOf(base, platform), filesOf(name, platform)])
  const there = new Set(below.map(({ path, size }) => `${path} ${size}`))
  const ours = files.filter(({ path, size, mode }) => !mode.startsWith('d') && !there.has(`${path} ${size}`))
  const folder = temporaryFolder()
  await run('tar', ['-xf', archive, '-C', folder, 'app', 'usr/local/bin/node'])
  return { ours, files, folder }
}

/** Whether the file begins like a program, a library or a library archive of Linux, Windows or macOS. */
function isMachineCode(file: string): boolean {
  const bytes = Buffer.alloc(8)
  const descriptor = openSync(file, 'r')
  readSync(descriptor, bytes)
  closeSync(descriptor)
  return /^(7f454c46|4d5a|feedfac[ef]|c[ef]faedfe|cafebabe|213c617263683e0a)/.test(bytes.toString('hex'))
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => statSync(join(folder, file)).isFile())

describe('the image', () => {
  test('adds only code, production packages, migrations and the contract to its base, at most 60 MB', async () => {
    const { ours } = await added(image)
    const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
    const forProduction = (path: string) => {
      const [name = 'none'] = /^app\/(.*node_modules\/(@[^/]+\/)?[^/]+)\//.exec(path)?.slice(1) ?? []
      return packages[name] && !packages[name].dev
    }
    const paths = ours.map(({ path }) => path)
    const inPackages = paths.filter((path) => path.startsWith('app/node_modules/'))
    expect(inPackages.filter((path) => !forProduction(path))).toEqual(['app/node_modules/.package-lock.json'])
    expect(paths.filter((path) => /\.map$|\.d\.[cm]?ts$|\/test\//.test(path))).toEqual([])

    const compiled = paths.filter((path) =>
      /^app\/dist\/((main|embedded-worker|[a-z]+-[0-9A-Z]{8})\.js|page\/[\w.-]+|blank-database\.tar\.gz)$/.test(path),
    )
    expect(compiled).toEqual(expect.arrayContaining(['app/dist/main.js', 'app/dist/blank-database.tar.gz']))
    expect(paths.filter((path) => !inPackages.includes(path) && !compiled.includes(path)).toSorted()).toEqual(
      [
        'app/openapi.json',
        'app/package.json',
        'app/db/roles.sql',
        'etc/passwd',
        ...filesIn(join(root, 'db/migrations')).map((file) => `app/db/migrations/${file}`),
      ].toSorted(),
    )
    const bytes = ours.reduce((sum, { size }) => sum + size, 0)
    tell(`the image adds ${(bytes / 1e6).toFixed(1)} MB in ${ours.length} files to its base`)
    expect(bytes).toBeLessThanOrEqual(60e6)
  })

  test('can be read but not written by any user; only /data can be written, by group 0', async () => {
    const { ours, files } = await added(image)
    const inApp = files.filter(({ path }) => path.startsWith('app/'))
    const wrong = inApp.filter(({ mode }) => !/^(-r..r-.r-.|dr.xr-xr-x|l)/.test(mode))
    expect(wrong).toEqual([])
    expect(ours.length).toBeGreaterThan(100)
    expect(files.find(({ path }) => path === 'data/')?.mode).toBe('drwxrwx---')
  })

  test('adds no machine code, so it fits every platform', async () => {
    const { folder } = await added(image)
    const code = filesIn(folder).filter((file) => isMachineCode(join(folder, file)))
    expect(code).toEqual(['usr/local/bin/node']) // from the base image
  })

  test('declares its user, command, port, volume, health check and labels', async () => {
    const { Config } = JSON.parse(await docker('inspect', image))[0]
    expect(Config).toMatchObject({
      User: '10001:0',
      WorkingDir: '/app',
      Cmd: ['node', 'dist/main.js'],
      ExposedPorts: { '3000/tcp': {} },
      Volumes: { '/data': {} },
      Healthcheck: { Test: ['CMD', 'node', 'dist/main.js', 'health'] },
      Labels: {
        'org.opencontainers.image.title': 'Sample API',
        'org.opencontainers.image.licenses': 'Apache-2.0',
        'org.opencontainers.image.version': expect.any(String),
        'org.opencontainers.image.revision': expect.any(String),
      },
    })
    expect(Config.Entrypoint ?? []).toEqual([])
    expect(Config.Env).toEqual(expect.arrayContaining(['HOST=0.0.0.0', 'DATA_DIR=/data']))
  })
})

test('after a source change the build reuses the layer of the packages', async () => {
  const folder = await checkout()
  const name = unique('sample-api')
  afterTests(() => docker('rmi', '--force', name))
  appendFileSync(join(folder, 'src/server.ts'), `\nprocess.title = '${name}'\n`)
  const seconds = await build(name, folder, '--load')
  tell(`build after a change of the source: ${seconds.toFixed(1)} s`)
  expect(seconds).toBeLessThan(60) // 20 if nothing else runs
  expect(await docker('run', '--rm', name, 'grep', '-rl', name, 'dist')).toMatch(/^dist\/[a-z]+-\w+\.js$/)
})

describe('without settings', () => {
  test.each([
    ['its own user', []],
    ['any user of group 0, as OpenShift does', ['--user', '1000680000:0']],
  ])('it serves the embedded database from its volume, without privileges, as %s', async (_user, user) => {
    const container = await start(...hardened, ...open, ...user, image)
    tell(`embedded, first start until healthy: ${(await healthy(container)).toFixed(1)} s`)
    if (user.length === 0) expect(await docker('exec', container, 'id', '-un')).toBe('appuser')
    const url = await published(container)
    expect((await post(`${url}/api/v2/housing`, house)).status).toBe(201)
    expect((await fetch(`${url}/docs/`)).status).toBe(200)

    await docker('stop', container)
    expect(await docker('inspect', '--format', '{{.State.ExitCode}}', container)).toBe('0')
    await docker('start', container)
    tell(`embedded, second start until healthy: ${(await healthy(container)).toFixed(1)} s`)
    expect(await (await fetch(`${await published(container)}/api/v2/housing/1`)).json()).toMatchObject(house)
    expect(await docker('diff', container)).toBe('')
  })

  test('SIGTERM ends it with exit code 0 once the open request is answered', async () => {
    const container = await start(...hardened, ...open, image)
    await healthy(container)
    const { hostname, port } = new URL(await published(container))
    const body = JSON.stringify(house)
    const socket = createConnection(Number(port), hostname)
    const answer = text(socket)
    socket.write(`POST /api/v2/housing HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n`)
    socket.write(`Content-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`)
    await sleep(500)
    await docker('kill', '--signal', 'TERM', container)
    await until('it closes', async () => (await docker('logs', container)).includes('SIGTERM: closing'))
    socket.write(body.slice(10))
    const answered = Date.now()
    expect(await answer).toMatch(/^HTTP\/1\.1 201 /)
    expect(await docker('wait', container)).toBe('0')
    const end = Date.parse(await docker('inspect', '--format', '{{.State.FinishedAt}}', container))
    tell(`from the last answer to the end: ${((end - answered) / 1000).toFixed(2)} s`)
    expect(end - answered, 'well before what is under way would be cut off').toBeLessThan(15_000)
    expect(await docker('logs', container)).not.toContain('"msg":""')
  })
})

test.each([
  [
    ['PORT=x', 'MIGRATE=maybe'],
    ['PORT is "x"', 'MIGRATE is "maybe"'],
  ],
  [['POSTGRES_PASSWORD_FILE=/run/secrets/none'], ['POSTGRES_PASSWORD_FILE names a file that cannot be read']],
])('with %s it exits at once and says what is wrong', async (settings, messages) => {
  const { code, output } = await run('docker', ['run', '--rm', ...settings.flatMap((one) => ['--env', one]), image])
  for (const message of messages) expect(output).toContain(message)
  expect(code).toBe(2)
})

describe('on a Postgres server', () => {
  const network = unique('sample-api')
  const onServer = [`--network=${network}`, '--env=POSTGRES_SERVER=database', '--env=POSTGRES_PASSWORD=secret']
  let database: string
  const sql = (statement: string) =>
    docker('exec', database, 'psql', '-h', '127.0.0.1', '-U', 'postgres', '-c', statement)

  beforeAll(async () => {
    await docker('network', 'create', network)
    afterTests(() => docker('network', 'rm', network))
    database = await start(
      `--network=${network}`,
      '--network-alias=database',
      '--env=POSTGRES_PASSWORD=secret',
      'postgres:15',
    )
    await until('Postgres answers', () => docker('exec', database, 'pg_isready', '-h', '127.0.0.1'))
  })

  test('it serves in 256 MB of memory, as any user, and writes no files', async () => {
    const limits = ['--memory=256m', '--memory-swap=256m', '--user=12345:12345']
    const container = await start(...hardened, ...limits, ...open, ...onServer, image)
    tell(`on a server, start until healthy: ${(await healthy(container)).toFixed(1)} s`)
    const url = await published(container)
    const statuses = new Map<number, number>()
    const count = ({ status }: Response) => void statuses.set(status, (statuses.get(status) ?? 0) + 1)
    for (let turn = 0; turn < 20; turn++) {
      const writes = Array.from({ length: 25 }, () => post(`${url}/api/v2/housing`, house).then(count))
      const reads = Array.from({ length: 25 }, () =>
        fetch(`${url}/api/v2/housing?limit=1000`).then(async (answer) => {
          await answer.text()
          count(answer)
        }),
      )
      await Promise.all([...writes, ...reads])
    }
    expect(Object.fromEntries(statuses)).toEqual({ 200: 500, 201: 500 })
    const { OOMKilled, Running } = JSON.parse(await docker('inspect', '--format', '{{json .State}}', container))
    expect({ OOMKilled, Running }).toEqual({ OOMKilled: false, Running: true })
    tell(`memory after 1,000 requests: ${await docker('stats', '--no-stream', '--format', '{{.MemUsage}}', container)}`)
    expect(await docker('diff', container)).toBe('')
  })

  test('for amd64 and arm64 it adds the same files to the Node of that platform, and it serves on arm64', async ({
    skip,
  }) => {
    const emulated = await run('docker', ['run', '--rm', '--platform=linux/arm64', base, 'node', '-p', 'process.arch'])
    skip(
      emulated.stdout !== 'arm64',
      `this engine does not run linux/arm64: ${emulated.output.trim().split('\n').at(-1)}`,
    )
    const name = unique('sample-api')
    afterTests(() => docker('rmi', '--force', name))
    const seconds = await build(name, root, '--platform=linux/amd64,linux/arm64')
    tell(`build for two platforms: ${seconds.toFixed(1)} s`)
    const digests = []
    for (const [platform, machine] of [
      ['linux/amd64', 62],
      ['linux/arm64', 183],
    ] as const) {
      const { folder } = await added(name, platform)
      const code = filesIn(folder).filter((file) => isMachineCode(join(folder, file)))
      expect(code).toEqual(['usr/local/bin/node'])
      expect(readFileSync(join(folder, code[0] as string)).readUInt16LE(18), 'the machine that ELF names').toBe(machine)
      const ours = filesIn(join(folder, 'app')).toSorted()
      expect(ours.length).toBeGreaterThan(100)
      digests.push(
        ours.map(
          (file) =>
            `${file} ${createHash('sha256')
              .update(readFileSync(join(folder, 'app', file)))
              .digest('hex')}`,
        ),
      )
    }
    expect(digests[1]).toEqual(digests[0])

    const container = await start('--platform=linux/arm64', ...hardened, ...open, ...onServer, name)
    const answer = await until('it is ready', async () => {
      const answer = await fetch(`${await published(container)}/readyz`)
      return answer.ok && answer
    })
    expect(await answer.json()).toMatchObject({ status: 'ok' })
    expect(await docker('exec', container, 'node', '-p', 'process.arch')).toBe('arm64')
  })

  test('it exits if a migration fails, and says which one', async () => {
    const broken = join(temporaryFolder(), 'broken.sql')
    writeFileSync(broken, 'select nothing_of_this_name;\n', { mode: 0o644 })
    const mount = `--volume=${broken}:/app/db/migrations/V98__broken.sql:ro`
    const { code, output } = await run('docker', ['run', '--rm', mount, ...onServer, image])
    expect(output).toMatch(/^sample-api: V98__broken\.sql, line 1: .*nothing_of_this_name/m)
    expect(code).toBe(1)
  })

  test('it exits if only a newer release can serve the schema, and says so', async () => {
    await sql(`insert into housing.flyway_schema_history
      select 99, '99', 'future', type, 'V99__future.sql', 1, installed_by, installed_on, 1, true
      from housing.flyway_schema_history where version = '1.0.0'`)
    await sql(`create or replace function housing.oldest_release() returns text language sql as $$ select '99' $$`)
    const { code, output } = await run('docker', ['run', '--rm', '--env=MIGRATE=check', ...onServer, image])
    expect(output).toContain('sample-api: The database is at 99 (V99__future.sql), newer than this release')
    expect(code).toBe(1)
  })
})
