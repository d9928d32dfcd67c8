import { readFileSync } from 'node:fs'
import type { Migration } from '../../migrations/files.ts'
import { root } from '../../root.ts'

/** An index or a trigger that a migration makes. */
export interface Made {
  name: string
  /** The script that makes it. */
  script: string
  /** What makes it again; undefined for what belongs to a constraint. */
  statement?: string
}

/** The first migration leaves these names to Postgres. */
const unnamed = ['housing_types_pkey', 'housing_types_code_key', 'housing_pkey']

/** The indexes that these migrations make, by their names. */
export function indexesOf(migrations: Migration[]): Made[] {
  const made = migrations.flatMap(({ script, sql }) => [
    ...matches(sql, /^create (?:unique )?index (?:if not exists )?(?<name>\w+)[^;]*/gim, script),
    ...matches(sql, /\bconstraint (?<name>\w+)\s+(?:primary key|unique)\b/gi, script).map(withoutStatement),
  ])
  const script = migrations[0]?.script
  return byName([...(script ? unnamed.map((name) => ({ name, script })) : []), ...made])
}

/** The triggers that these migrations make, named `<table>.<trigger>`. */
export const triggersOf = (migrations: Migration[]): Made[] =>
  byName(
    migrations.flatMap(({ script, sql }) =>
      matches(sql, /^create trigger (?<trigger>\w+)[^;]*?\bon (?<table>housing\.\w+)[^;]*/gim, script),
    ),
  )

function matches(sql: string, pattern: RegExp, script: string): Made[] {
  return [...sql.matchAll(pattern)].map(({ 0: text, groups: { name, table, trigger } = {} }) => ({
    name: name ?? `${table}.${trigger}`,
    script,
    statement: text.replace(/\s+/g, ' '),
  }))
}

const withoutStatement = ({ name, script }: Made): Made => ({ name, script })

/** The last of each name. */
const byName = (all: Made[]): Made[] => [...new Map(all.map((made) => [made.name, made])).values()]

/** The rights that db/roles.sql grants to the role that serves, such as `update (city) on housing.housing`. */
export function rightsToServe(): string[] {
  const text = readFileSync(new URL('db/roles.sql', root), 'utf8')
  const rights = [...text.matchAll(/\('(?:sequence )?(housing\.\w+)', '([^']*)'\)/g)].flatMap(
    ([, thing, privileges = '']) =>
      [...privileges.matchAll(/(\w+)(?: \(([^)]*)\))?/g)].flatMap(([, privilege, columns]) =>
        columns === undefined
          ? [`${privilege} on ${thing}`]
          : columns.split(', ').map((column) => `${privilege} (${column}) on ${thing}`),
      ),
  )
  return ['usage on schema housing', ...rights]
}
