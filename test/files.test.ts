import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test, vi } from 'vitest'
import { remote } from './support/http.ts'
import { embedded, onServer, temporaryFolder } from './support/places.ts'
import { run, serve, start } from './support/program.ts'

vi.setConfig({ testTimeout: 120_000 })

const header = 'address,street,city,postal_code,housing_type'
const row = '735,Broughton Street,Victoria,V8W 3H2,COP'

/** A migrated database of each kind. */
const places = {
  embedded,
  async server() {
    const place = await onServer()
    expect(await run({ command: ['migrate'], env: place.env })).toMatchObject({ code: 0 })
    return place
  },
}

describe.each(Object.entries(places))('without a running API, on the %s database', (_, place) => {
  test('a file is imported, exported, edited and imported again', async () => {
    const { env } = await place()
    const folder = await temporaryFolder()
    const [file, out] = [join(folder, 'in.csv'), join(folder, 'out.csv')]
    await writeFile(file, `${header}\n${row}\n${row}\n`)
    const imported = await run({ command: ['import', file], env })
    expect(imported).toMatchObject({ code: 0, stdout: '' })
    expect(imported.stderr).toMatch(/^2 rows: 2 created, 0 updated, 0 unchanged, 0 rejected: .*\n$/)

    expect(await run({ command: ['export', out], env })).toMatchObject({ code: 0, stdout: '' })
    const exported = await readFile(out, 'utf8')
    expect(exported.split('\n')).toHaveLength(4)
    await writeFile(out, exported.replace('Victoria', 'Oak Bay'))
    expect((await run({ command: ['import', out], env })).stderr).toMatch(/^2 rows: 0 created, 1 updated, 1 unchanged/)

    const filtered = await run({ command: ['export', '--city', 'oak bay', '--format', 'ndjson', '--sort', '-id'], env })
    expect(
      filtered.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toMatchObject([{ id: 1, city: 'Oak Bay', version: 2 }])
  })

  test('rejected rows end with exit code 1, and come in a file of their own', async () => {
    const { env } = await place()
    const folder = await temporaryFolder()
    const [file, rejected] = [join(folder, 'in.csv.gz'), join(folder, 'rejected.csv')]
    await writeFile(file, gzipSync(`${header}\n${row}\n${row.replace('COP', 'XYZ')}\n`))
    const aborted = await run({ command: ['import', file], env })
    expect(aborted.code).toBe(1)
    expect(aborted.stderr).toMatch(/2 rows: 0 created, 0 updated, 0 unchanged, 1 rejected/)
    expect(aborted.stderr).toMatch(/line 3, housing_type: No housing type has the code XYZ/)
    expect(aborted.stderr).toMatch(/Nothing was stored: correct the file/)
    const skipped = await run({ command: ['import', file, '--on-error', 'skip', '--rejected', rejected], env })
    expect([skipped.code, skipped.stderr]).toEqual([1, expect.stringContaining('2 rows: 1 created')])
    const text = await readFile(rejected, 'utf8')
    expect(text.split('\n').slice(0, 2)).toEqual([
      `${header},line,field,code,detail`,
      expect.stringContaining(',XYZ,3,housing_type,unknown,'),
    ])
    await writeFile(rejected, text.replace(',XYZ,', ',SFD,'))
    const mended = await run({ command: ['import', rejected, '--dry-run'], env })
    expect([mended.code, mended.stderr]).toEqual([
      0,
      expect.stringMatching(/1 created(.|\n)*Nothing was stored: it was a dry run/),
    ])
  })
})

test('rejected rows of NDJSON come as NDJSON', async () => {
  const { env } = await embedded()
  const folder = await temporaryFolder()
  const [file, rejected] = [join(folder, 'in.ndjson'), join(folder, 'rejected.ndjson')]
  await writeFile(file, '{"id":1,"city":"Sooke"}\n')
  expect((await run({ command: ['import', file, '--rejected', rejected], env })).code).toBe(1)
  expect(JSON.parse(await readFile(rejected, 'utf8'))).toMatchObject({ id: 1, city: 'Sooke', line: 1, field: 'id' })
})

test('stdin is imported, as CSV or as what --format says', async () => {
  const { env } = await embedded()
  const line = JSON.stringify(Object.fromEntries(header.split(',').map((name, i) => [name, row.split(',')[i]])))
  const piped = (text: string, command: string) =>
    run({ program: ['sh', '-c', `printf '%s\\n' "$1" | ${process.execPath} dist/main.js ${command}`, 'sh', text], env })
  expect((await piped(`${header}\n${row}`, 'import')).stderr).toMatch(/^1 rows: 1 created/)
  expect((await piped(line, 'import --format ndjson')).stderr).toMatch(/^1 rows: 1 created/)
  const exported = await run({ command: ['export'], env })
  expect(exported.stdout.split('\n')).toHaveLength(4)
})

test('a running API that has the embedded database is found and used, with its key', async () => {
  const { env } = await embedded()
  const key = (await run({ command: ['keys', 'create', '--name', 'x', '--scope', 'housing:write'], env })).stdout.trim()
  const { url, lines } = await serve({ env: { ...env, AUTH: 'keys' } })
  const folder = await temporaryFolder()
  const file = join(folder, 'in.csv')
  await writeFile(file, `${header}\n${row}\n`)
  const denied = await run({ command: ['import', file], env })
  expect([denied.code, denied.stderr]).toEqual([
    1,
    expect.stringContaining('The API answers 401: This needs an API key'),
  ])
  const withKey = { ...env, API_KEY: key }
  const imported = await run({ command: ['import', file], env: withKey })
  expect([imported.code, imported.stderr]).toEqual([
    0,
    expect.stringContaining(
      `1 rows: 1 created, 0 updated, 0 unchanged, 0 rejected: ${url.replace('localhost', '127.0.0.1')}`,
    ),
  ])
  const elsewhere = { DATA_DIR: join(folder, 'none'), API_KEY: key }
  const exported = await run({ command: ['export', '--url', `${url}/`], env: elsewhere })
  expect(exported.stdout.split('\n')[1]).toContain(',Victoria,')
  expect(
    lines().filter(({ caller = '', route = '' }) => caller.startsWith('key:') && /import|export/.test(route)),
  ).toHaveLength(2)
})

test.each([
  [['export'], /There is no database in .*: set DATA_DIR, or --url/, 1],
  [['import', '/does/not/exist'], /The file cannot be read: ENOENT/, 2],
  [['import', 'package.json', '--on-error', 'x'], /--on-error is "x": it must be abort or skip/, 2],
  [['import', 'package.json', '--format', 'xml'], /--format is "xml": it must be csv or ndjson/, 2],
  [['export', '--url', 'localhost:3000'], /--url is "localhost:3000": it must be the URL/, 2],
  [['export', '--url', 'http://127.0.0.1:1'], /did not answer: connect ECONNREFUSED/, 1],
  [['demo', '--houses', '0'], /--houses is "0": it must be a whole number of at least 1/, 2],
])('%j says what is wrong', async (command, message, code) => {
  const result = await run({ command, env: { DATA_DIR: join(await temporaryFolder(), 'data') } })
  expect([result.code, result.stderr]).toEqual([code, expect.stringMatching(message)])
})

test('a filter that the API rejects, and a file that it cannot read, end with its sentence', async () => {
  const { env } = await embedded()
  const wrong = await run({ command: ['export', '--postal-code', 'x'], env })
  expect([wrong.code, wrong.stderr]).toEqual([
    1,
    expect.stringContaining('The API answers 400: postal_code is invalid'),
  ])
  const unreadable = await run({ command: ['import', 'package.json'], env })
  expect([unreadable.code, unreadable.stderr]).toEqual([1, expect.stringContaining('The API answers 422: Line 2')])
})

test('demo fills a new database with invented houses and a history, the same for the same seed', async () => {
  const env = { DATA_DIR: join(await temporaryFolder(), 'data') }
  const { code, stderr } = await run({ command: ['demo', '--houses', '1500', '--edits', '200'], env })
  expect([code, stderr]).toEqual([0, expect.stringContaining('The ids are 1 to 1500. The addresses are invented.')])
  const exported = (await run({ command: ['export'], env })).stdout.trim().split('\n').slice(1)
  expect(exported).toHaveLength(1500)
  const edited = exported.filter((line) => Number(line.split(',')[6]) > 1)
  expect(edited.length).toBeGreaterThan(50)
  const again = { DATA_DIR: join(await temporaryFolder(), 'data') }
  await run({ command: ['demo', '--houses', '1500', '--edits', '200'], env: again })
  const withoutTimes = (lines: string[]) => lines.map((line) => line.split(',').slice(0, 7).join())
  expect(withoutTimes((await run({ command: ['export'], env: again })).stdout.trim().split('\n').slice(1))).toEqual(
    withoutTimes(exported),
  )
})

test('demo --live changes the houses of a running API until it is interrupted', async () => {
  const { env } = await embedded()
  const { url, list } = await serve({ env }).then((program) => ({ ...program, ...remote(program.url) }))
  const program = start({
    command: ['demo', '--houses', '10', '--live', '--url', url],
    env: { ...env, DATA_DIR: 'elsewhere' },
  })
  const changes = async () =>
    (await list()).body.items.reduce((sum: number, { version }: { version: number }) => sum + version - 1, 0)
  await expect.poll(changes, { timeout: 60_000 }).toBeGreaterThan(1)
  program.signal('SIGINT')
  expect(await program.exit).toBe(0)
})
