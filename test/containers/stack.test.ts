import { appendFileSync, chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freePort } from '../support/postgres.ts'
import { afterTests, checkout, docker, type Outcome, root, run, start, tell, unique, until } from './docker.ts'

/** A stack in its own copy of the checkout; both are removed after the tests. */
async function stack(settings: NodeJS.ProcessEnv = {}) {
  const folder = await checkout()
  const [api, database] = [await freePort(), await freePort()]
  const env = {
    CI: undefined,
    POSTGRES_USER: undefined,
    POSTGRES_PASSWORD: undefined,
    POSTGRES_DB: undefined,
    COMPOSE_PROJECT_NAME: unique('sample-api'),
    API_PORT: `${api}`,
    DATABASE_PORT: `${database}`,
    ...settings,
  }
  const compose = (...args: string[]): Promise<Outcome> =>
    run('docker', ['compose', ...args], { cwd: folder, env, seconds: allTests })
  afterTests(() => compose('--profile', 'test', 'down', '--volumes', '--timeout', '5', '--rmi', 'local'))
  return {
    folder,
    env,
    url: `http://127.0.0.1:${api}`,
    compose,
    async up(...services: string[]): Promise<Outcome> {
      const outcome = await compose('up', '--detach', '--wait', ...services)
      if (outcome.code !== 0) throw new Error(`${outcome.output}\n${(await compose('logs')).output}`)
      return outcome
    },
    sql: async (statement: string): Promise<string> => {
      const psql = 'psql -At -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "$0"'
      const { code, stdout, output } = await compose('exec', '-T', 'database', 'sh', '-c', psql, statement)
      if (code !== 0) throw new Error(output)
      return stdout
    },
  }
}

/** How long all tests may take in a container, in seconds. */
const allTests = 1800

const json = async (url: string) =>
  (await fetch(url)).json() as Promise<{ items?: unknown; status?: string; message?: string }>
const house = { address: '1', street: 'First Street', city: 'Hope', postal_code: 'V0X 1L0', housing_type: 'SFD' }
const addHouse = (url: string) =>
  fetch(`${url}/api/v2/housing`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(house),
  })

describe('docker compose up', () => {
  test('serves the API with development data, reloads saved source, and keeps the data over down and up', async () => {
    const { folder, env, url, compose, up, sql } = await stack()
    const login = ['POSTGRES_USER=registry', 'POSTGRES_DB=homes', "POSTGRES_PASSWORD='p@ss:w/o#r?d%41 $HOME'"]
    writeFileSync(join(folder, '.env'), login.join('\n'))
    const files = readdirSync(folder)
    const { seconds } = await up()
    tell(`docker compose up, first: ${seconds.toFixed(1)} s`)
    expect((await fetch(`${url}/docs/`)).status).toBe(200)
    expect((await json(`${url}/api/v2/housing`)).items).toHaveLength(6)
    expect((await json(`${url}/readyz`)).status).toBe('ok')
    expect(readdirSync(folder), 'nothing of the containers in the checkout').toEqual(files)

    const before = (await compose('ps', '--format', '{{.ID}}', '--no-trunc')).stdout.split('\n')
    const started = await docker('inspect', '--format', '{{.State.StartedAt}}', ...before)
    const server = join(folder, 'src/pages/greeting.ts')
    writeFileSync(server, readFileSync(server, 'utf8').replace("message: 'Sample API'", "message: 'Changed'"))
    const saved = performance.now()
    await until('the change is served', async () => (await json(url)).message === 'Changed')
    const reload = (performance.now() - saved) / 1000
    tell(`from saving to serving: ${reload.toFixed(1)} s`)
    expect(reload).toBeLessThan(20) // 3 if nothing else runs
    expect(await docker('inspect', '--format', '{{.State.StartedAt}}', ...before)).toBe(started)

    await until('it is ready again', async () => (await json(`${url}/readyz`)).status === 'ok')
    expect((await addHouse(url)).status).toBe(201)
    const down = await compose('down')
    tell(`docker compose down: ${down.seconds.toFixed(1)} s`)
    tell(`docker compose up, again: ${(await up()).seconds.toFixed(1)} s`)
    expect(await sql('select count(*) from housing.housing'), 'dev data goes only into an empty table').toBe('7')

    const volumes = () => docker('volume', 'ls', '--quiet', '--filter', `name=${env.COMPOSE_PROJECT_NAME}`)
    expect(await volumes()).not.toBe('')
    expect((await compose('down', '--volumes')).code).toBe(0)
    expect(await volumes()).toBe('')
    await up()
    expect(await sql('select count(*) from housing.housing')).toBe('6')
  })

  test('in two checkouts runs two independent stacks', async () => {
    const stacks = [await stack(), await stack()]
    for (const { up } of stacks) await up()
    const [one, two] = stacks.map(({ url }) => url) as [string, string]
    expect((await addHouse(one)).status).toBe(201)
    expect((await json(`${one}/api/v2/housing`)).items).toHaveLength(7)
    expect((await json(`${two}/api/v2/housing`)).items).toHaveLength(6)
  })

  test('needs nothing from the network but images', async () => {
    const { folder, compose } = await stack()
    expect((await compose('build')).code).toBe(0)
    writeFileSync(join(folder, 'compose.override.yaml'), 'networks:\n  default:\n    internal: true\n')
    expect(await compose('up', '--detach', '--wait')).toMatchObject({ code: 0 })
    const fetching = "fetch('https://example.org').catch(() => process.exit(7))"
    expect((await compose('exec', '-T', 'api', 'node', '-e', fetching)).code, 'it is cut off').toBe(7)
  })

  test('does not start the API after a failed migration, and says which one failed', async () => {
    const { folder, compose } = await stack()
    writeFileSync(join(folder, 'db/migrations/V99__broken.sql'), 'select nothing_of_this_name;\n')
    const { code, output } = await compose('up', '--detach', '--wait')
    expect(code).not.toBe(0)
    expect(output).toContain('"flyway" didn\'t complete successfully')
    expect((await compose('logs', 'flyway')).output).toContain('V99__broken.sql')
    expect((await compose('ps', '--status', 'running', '--services')).stdout).toBe('database')
  })

  test('does not serve on a schema that only a newer release can serve, which Flyway accepts, and says so', async () => {
    const { url, compose, up, sql } = await stack()
    await up()
    await sql(`insert into housing.flyway_schema_history
      select 99, '99', 'future', type, 'V99__future.sql', 1, installed_by, installed_on, 1, true
      from housing.flyway_schema_history where version = '1.0.0'`)
    await sql(`create or replace function housing.oldest_release() returns text language sql as $$ select '99' $$`)
    await compose('restart', 'api')
    await until('it says so', async () =>
      (await compose('logs', 'api')).output.includes('at 99 (V99__future.sql), newer than this release'),
    )
    // A connection made while the API exits may hang, because the engine's own proxy accepts it.
    const signal = () => AbortSignal.timeout(2000)
    await until('nobody answers', () =>
      fetch(url, { signal: signal() }).then(
        () => false,
        () => true,
      ),
    )
  })

  test('with an invalid setting ends the API at once, with a message about the setting', async () => {
    const { compose, up } = await stack({ LOG_LEVEL: 'loud' })
    await up('flyway').catch(() => {}) // --wait fails if a container exits
    const { output, code } = await compose('up', '--exit-code-from', 'api', 'api')
    expect(output).toContain('LOG_LEVEL is "loud": it must be one of')
    expect(code).toBe(2)
  })
})

describe('docker compose --profile test up', () => {
  const once = ['--profile', 'test', 'up', '--exit-code-from', 'tests', 'tests']

  test(
    'with CI runs the tests once, in their own databases, prints the totals and exits with 0',
    async () => {
      const { compose, up, sql } = await stack({ CI: 'true' })
      await up()
      const { code, output, seconds } = await compose(...once)
      expect(output).toMatch(/\d{4} passed, 0 failed, \d+ skipped/)
      expect(output).toMatch(/embedded.*housing\.test\.ts/)
      expect(output).toMatch(/server.*housing\.test\.ts/)
      expect(code).toBe(0)
      tell(`the tests in a container: ${seconds.toFixed(0)} s`)
      await up('database')
      expect(await sql('select count(*), min(version), max(version) from housing.housing')).toBe('6|1|1')
      expect(await sql("select count(*) from pg_database where datname like 'test%'")).toBe('0')
    },
    allTests * 1000,
  )

  test('exits with 1 if a test fails', async () => {
    const { folder, compose } = await stack({ CI: 'true' })
    keepOne(folder)
    appendFileSync(join(folder, 'src/config/config.test.ts'), "\ntest('no', () => expect(1).toBe(2))\n")
    const { code, output } = await compose(...once)
    expect(output).toMatch(/ 2 failed, /)
    expect(code).toBe(1)
  })

  test('without CI runs the tests again when a file changes', async () => {
    const { folder, compose } = await stack()
    keepOne(folder)
    expect((await compose('--profile', 'test', 'up', '--detach', 'tests')).code).toBe(0)
    const totals = async () => (await compose('logs', 'tests')).output.match(/\d+ passed, \d+ failed/g) ?? []
    const [first] = await until('the first totals', async () => (await totals()).length === 1 && totals())
    expect(first).toMatch(/^\d{3} passed, 0 failed/)
    appendFileSync(join(folder, 'src/config/config.test.ts'), "\ntest('no', () => expect(1).toBe(2))\n")
    const [, second] = await until('the next totals', async () => (await totals()).length === 2 && totals())
    expect(second).toMatch(/ 2 failed$/)
  })

  /** Keeps only one test file, to be quick. */
  function keepOne(folder: string) {
    for (const file of readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' }))
      if (file.endsWith('.test.ts') && file !== 'config/config.test.ts') rmSync(join(folder, 'src', file))
  }
})

test("the documented move from the predecessor's stack keeps every row, and version 1 serves them", async () => {
  const { folder, url, env, up, compose, sql } = await stack()
  const name = unique('sampledb')
  const sampledb = await start('--name', name, '--env', 'POSTGRES_PASSWORD=default', 'postgres:15')
  await until('it answers', () => docker('exec', sampledb, 'pg_isready', '-h', '127.0.0.1'))
  const psql = (statement: string) =>
    docker('exec', sampledb, 'psql', '-h', '127.0.0.1', '-U', 'postgres', '-v', 'ON_ERROR_STOP=1', '-c', statement)
  const init = readFileSync(join(root, 'db/migrations/V1.0.0__init.sql'), 'utf8')
  await psql(`create schema housing; ${init}`)
  // The history that Flyway 10 wrote for the predecessor's only script.
  await psql(`create table housing.flyway_schema_history (
      installed_rank integer not null constraint flyway_schema_history_pk primary key, version varchar(50),
      description varchar(200) not null, type varchar(20) not null, script varchar(1000) not null, checksum integer,
      installed_by varchar(100) not null, installed_on timestamp not null default now(),
      execution_time integer not null, success boolean not null);
    create index flyway_schema_history_s_idx on housing.flyway_schema_history (success);
    insert into housing.flyway_schema_history values
      (0, null, '<< Flyway Schema Creation >>', 'SCHEMA', '"housing"', null, 'postgres', now(), 0, true),
      (1, '1.0.0', 'init', 'SQL', 'V1.0.0__init.sql', 336439134, 'postgres', now(), 20, true)`)
  await psql(`insert into housing.housing (address, street, city, postal_code, housing_type_id)
    select n::text, 'Douglas Street', 'Victoria', 'V8W 2E7', n % 4 + 1 from generate_series(1, 1000) n`)

  const paper = readFileSync(join(root, 'docs/moving-from-python.md'), 'utf8')
  const [, session = ''] = /```sh\n([^`]*docker inspect[^`]*)```/.exec(paper) ?? []
  expect(session).toContain('flyway repair')
  const script = join(folder, 'session.sh')
  writeFileSync(script, session.replaceAll('sampledb', name).replace(/^docker compose up$/m, ''))
  chmodSync(script, 0o755)
  const moved = await run('sh', ['-ex', script], { cwd: folder, env })
  expect(moved, moved.output).toMatchObject({ code: 0 })
  await up()
  expect(await sql('select count(*), sum(address::int), sum(id), min(version) from housing.housing')).toBe(
    '1000|500500|500500|1',
  )
  expect(await json(`${url}/api/v1/housing/V8W%202E7?limit=2`)).toEqual(
    ['1', '2'].map((address) => ({
      address,
      street: 'Douglas Street',
      city: 'Victoria',
      postal_code: 'V8W 2E7',
      housing_type_id: Number(address) + 1,
      housing_id: Number(address),
    })),
  )
  expect((await compose('logs', 'flyway')).output).not.toContain('ERROR')
  expect(existsSync(join(folder, '.env'))).toBe(true)
})
