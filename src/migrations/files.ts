import { isUtf8 } from 'node:buffer'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import { root } from '../root.ts'

/** A versioned script in Flyway's format: `V<version>__<description>.sql`. */
export interface Migration {
  version: string
  description: string
  script: string
  checksum: number
  sql: string
}

/** The folder of the schema's whole history. */
const migrationsFolder = fileURLToPath(new URL('db/migrations/', root))

/** What is wrong with the scripts, or with the database's history of them, a line each. */
export class MigrationError extends Error {
  constructor(findings: string[]) {
    super(findings.join('\n'))
  }
}

/** Reads the scripts in order of version. Rejects a folder that Flyway could read differently. */
export function readMigrations(folder = migrationsFolder): Migration[] {
  const findings: string[] = []
  const migrations: Migration[] = []
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  for (const script of files.filter((file) => /\.sql(\.conf)?$/i.test(file)).sort()) {
    const names = fromFileName(script)
    if (!names) {
      findings.push(
        `${script} is not a migration: name it V<version>__<description>.sql and put it directly into the folder.`,
      )
      continue
    }
    const bytes = readFileSync(`${folder}/${script}`)
    if (!isUtf8(bytes)) findings.push(`${script} is not UTF-8.`)
    if (bytes.includes('${'))
      findings.push(`${script} contains \${, which Flyway would read as a placeholder. Write it another way.`)
    migrations.push({ ...names, script, ...decode(bytes) })
  }
  migrations.sort((a, b) => compareVersions(a.version, b.version))
  for (const [i, { version, script }] of migrations.entries()) {
    const next = migrations[i + 1]
    if (next && compareVersions(version, next.version) === 0)
      findings.push(`${script} and ${next.script} have the same version.`)
  }
  if (findings.length > 0) throw new MigrationError(findings)
  return migrations
}

/** What Flyway writes into the history's columns, which are as long as this allows; undefined for another form. */
function fromFileName(script: string): { version: string; description: string } | undefined {
  const [, version, description] = /^V(\d+(?:[._]\d+)*)__([^/\\]{0,200})\.[sS][qQ][lL]$/.exec(script) ?? []
  if (version === undefined || description === undefined || version.length > 50) return undefined
  return { version: version.replaceAll('_', '.'), description: description.replaceAll('_', ' ') }
}

/** The text of a script in UTF-8, and Flyway's checksum: the CRC-32 of its lines without their ends. */
export function decode(bytes: Buffer): { sql: string; checksum: number } {
  const sql = new TextDecoder().decode(bytes) // drops one byte order mark, as Flyway does
  return { sql, checksum: crc32(sql.replace(/\r\n|\n|\r/g, '')) | 0 }
}

/** Numeric by part; a missing part is 0, so 1.0 equals 1.0.0. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(BigInt)) as [bigint[], bigint[]]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [x, y] = [left[i] ?? 0n, right[i] ?? 0n]
    if (x !== y) return x < y ? -1 : 1
  }
  return 0
}
