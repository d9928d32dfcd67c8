import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { compareVersions, decode, MigrationError, readMigrations } from './files.ts'

const vectors: { name: string; contentBase64: string; checksum: number }[] = JSON.parse(
  readFileSync(new URL('../../test/fixtures/flyway-checksums.json', import.meta.url), 'utf8'),
)

/** The migrations that are read from a temporary folder with these files. */
function read(files: Record<string, string | Buffer>) {
  const folder = mkdtempSync(join(tmpdir(), 'sample-api-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
  return readMigrations(folder)
}

/** The findings for which such a folder is rejected. */
function findings(files: Record<string, string | Buffer>): string[] {
  try {
    read(files)
    return []
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error
    return error.message.split('\n')
  }
}

test('all test vectors made by Flyway are present', () => expect(vectors).toHaveLength(41))

test.each(vectors)('the checksum of $name is the one that Flyway stored', ({ contentBase64, checksum }) => {
  expect(decode(Buffer.from(contentBase64, 'base64')).checksum).toBe(checksum)
})

test('versions are ordered by their numbers, however large', () => {
  const ordered = ['0.9', '1.0', '1.1', '1.2', '01.03', '1.3.1', '1.10', '2', '20240101120000', '20240101120000.1']
  const huge = ['9'.repeat(40), `1${'0'.repeat(40)}`]
  const shuffled = [...ordered, ...huge].toSorted()
  expect(shuffled.toSorted(compareVersions)).toEqual([...ordered, ...huge])
})

test.each([
  ['1', '1.0.0'],
  ['1.1', '1.01'],
  ['0', '0.0'],
])('version %s equals %s', (a, b) => {
  expect(compareVersions(a, b)).toBe(0)
  expect(compareVersions(b, a)).toBe(0)
})

describe('a folder of migrations', () => {
  test('is read in the order of the versions, with names as Flyway stores them', () => {
    const files = {
      'V1.10__c.sql': '',
      'V1_4_5__first__double___x.SQL': '',
      'V1.4.4__.sql': '',
      'V01.02__a-b.c.sql': '',
    }
    const names = read(files).map(({ version, description, script }) => [version, description, script])
    expect(names).toEqual([
      ['01.02', 'a-b.c', 'V01.02__a-b.c.sql'],
      ['1.4.4', '', 'V1.4.4__.sql'],
      ['1.4.5', 'first  double   x', 'V1_4_5__first__double___x.SQL'],
      ['1.10', 'c', 'V1.10__c.sql'],
    ])
  })

  test('may contain other files', () => {
    expect(read({ 'V1__a.sql': 'select 1;', 'README.md': '', '.sql.swp': '', 'sub/notes.txt': '' })).toHaveLength(1)
  })

  test('of the program itself is as Flyway expects it', () => {
    expect(readMigrations().map(({ version }) => version)[0]).toBe('1.0.0')
  })

  test.each([
    'V9.sql',
    'V6_single.sql',
    'V1.a__y.sql',
    'V1..2__x.sql',
    'v5__x.sql',
    'R__x.sql',
    'R_x.sql',
    'U1__x.sql',
    'B1__x.sql',
    'seed.sql',
    'afterMigrate.sql',
    'V1__a.sql.conf',
    'sub/V1__a.sql',
    `V${'1'.repeat(51)}__x.sql`,
    `V1__${'x'.repeat(201)}.sql`,
  ])('with %s in it is rejected', (name) => {
    expect(findings({ [name]: '' })).toEqual([
      `${name} is not a migration: name it V<version>__<description>.sql and put it directly into the folder.`,
    ])
  })

  test('with two files of one version is rejected', () => {
    expect(findings({ 'V1.0.0__a.sql': '', 'V1__b.sql': '', 'V2__c.sql': '' })).toEqual([
      'V1.0.0__a.sql and V1__b.sql have the same version.',
    ])
  })

  test('with a placeholder of Flyway is rejected', () => {
    expect(findings({ 'V1__a.sql': `-- \${schema}`, 'V2__b.sql': 'select $1, $$ $ { $$' })).toEqual([
      'V1__a.sql contains ${, which Flyway would read as a placeholder. Write it another way.',
    ])
  })

  test.each([
    ['Latin-1', Buffer.from('-- caf\xe9', 'latin1')],
    ['UTF-16', Buffer.from('\ufeffselect 1', 'utf16le')],
    ['an overlong sequence', Buffer.from([0xc0, 0xaf])],
    ['a surrogate', Buffer.from([0xed, 0xa0, 0x80])],
    ['a sequence cut short', Buffer.from('é').subarray(0, 1)],
  ])('with %s in a file is rejected', (_what, bytes) => {
    expect(findings({ 'V1__a.sql': bytes })).toEqual(['V1__a.sql is not UTF-8.'])
  })

  test('is rejected with all findings at once', () => {
    const files = { 'V1__a.sql': `\${x}`, 'V1.0__b.sql': Buffer.from([0xff]), 'seed.sql': '', 'R__x.sql': '' }
    expect(findings(files)).toHaveLength(5)
  })
})
