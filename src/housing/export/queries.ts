import { type AliasedRawBuilder, type Expression, sql } from 'kysely'
import { copyOf } from '../../database/copy.ts'
import type { OpenDatabase } from '../../database/database.ts'
import type { Database } from '../../database/tables.ts'
import { type Condition, sorted } from '../list/queries.ts'
import type { Sort } from '../list/schemas.ts'
import { houses } from '../queries.ts'
import { Housing } from '../schemas.ts'
import { formulas } from './formulas.ts'

export type Format = 'csv' | 'ndjson'

export type ExportDatabase = Pick<OpenDatabase, 'db' | 'hasOneConnection' | 'copyOut'>

interface List {
  condition: Condition
  sort: Sort
}

/** How many houses the embedded database sends at once. */
const pageSize = 5000

/** The file of all houses for which the condition holds, in order. On a server it shows one moment. `signal` ends it early. */
export async function* exportHousing(
  { db, hasOneConnection, copyOut }: ExportDatabase,
  { condition, sort }: List,
  format: Format,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const list = sorted(db, condition, sort).clearSelect()
  if (!hasOneConnection) return yield* copyOut(copyOf(list.select(lineIn[format]), options(format)), signal)
  const ids = (await list.select('h.id').execute()).map(({ id }) => id)
  for (let at = 0; at === 0 || at < ids.length; at += pageSize) {
    const page = inOrder(db, ids.slice(at, at + pageSize)).select(lineIn[format])
    yield* copyOut(copyOf(page, options(format, at === 0)), signal)
  }
}

/** The houses with these ids that are there, in this order. */
const inOrder = (db: Database, ids: number[]) =>
  houses(db)
    .clearSelect()
    .innerJoin(
      sql<{ id: number; n: number }>`unnest(${ids}::int[]) with ordinality`.as<'page'>(sql`page (id, n)`),
      'page.id',
      'h.id',
    )
    .orderBy('page.n')

/** JSON never has these two control characters, and the text format of COPY would double its backslashes. */
const options = (format: Format, withHeader = true) =>
  format === 'csv' ? `format csv, header ${withHeader}` : `format csv, quote e'\\x01', delimiter e'\\x02'`

type Member = keyof Housing
const members = Object.keys(Housing.properties) as Member[]
const times: Member[] = ['created_at', 'updated_at']
const numbers: Member[] = ['id', 'version']
const column = (member: Member) => sql.ref(member === 'housing_type' ? 't.code' : `h.${member}`)

/** As answers have times; those outside the years 1 to 9999 become the first or the last instant of them. */
const rfc3339 = (time: Expression<unknown>) =>
  sql`to_char(least(greatest(${time}, '0001-01-01Z'), '9999-12-31T23:59:59.999Z'), 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** A spreadsheet would run some texts as formulas: they get an apostrophe, which an import takes away again. */
const withoutFormula = (text: Expression<unknown>) =>
  sql`case when left(ltrim(${text}, ''''), 1) in (${sql.join(formulas.map(sql.lit))}) then '''' || ${text} else ${text} end`

const lineIn: Record<Format, AliasedRawBuilder<string, string>[]> = {
  csv: members.map((member) => {
    const value = column(member)
    const cell = times.includes(member) ? rfc3339(value) : numbers.includes(member) ? value : withoutFormula(value)
    return sql<string>`${cell}`.as(member)
  }),
  ndjson: [
    sql<string>`${sql.join(
      members.flatMap((member, i) => {
        const value = column(member)
        const json = times.includes(member)
          ? sql`'"' || ${rfc3339(value)} || '"'`
          : numbers.includes(member)
            ? value
            : sql`to_json(${value})`
        return [sql.lit(`${i === 0 ? '{' : ','}"${member}":`), json]
      }),
      sql` || `,
    )} || '}'`.as('house'),
  ],
}
