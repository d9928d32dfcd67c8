import { sql } from 'kysely'
import { copyOf, type Row, rowsOf } from '../../database/copy.ts'
import type { OpenDatabase } from '../../database/database.ts'
import type { Database } from '../../database/tables.ts'
import { type Condition, sorted } from '../list/queries.ts'
import type { Sort } from '../list/schemas.ts'
import { houses } from '../queries.ts'

export type ExportDatabase = Pick<OpenDatabase, 'db' | 'hasOneConnection' | 'copyOut'>

export interface List {
  condition: Condition
  sort: Sort
}

/** How many houses the embedded database sends at once. */
const pageSize = 5000

/** The rows of all houses for which the condition holds, in order. On a server they show one moment. `signal` ends them early. */
export async function* houseRows(
  { db, hasOneConnection, copyOut }: ExportDatabase,
  { condition, sort }: List,
  signal: AbortSignal,
): AsyncGenerator<Iterable<Row>> {
  const list = sorted(db, condition, sort)
  if (!hasOneConnection) return yield* rowsOf(copyOut(copyOf(list), signal))
  const ids = (await list.clearSelect().select('h.id').execute()).map(({ id }) => id)
  for (let at = 0; at < ids.length; at += pageSize) {
    const page = inOrder(db, ids.slice(at, at + pageSize))
    yield* rowsOf(copyOut(copyOf(page), signal))
  }
}

/** The houses with these ids that are there, in this order. */
const inOrder = (db: Database, ids: number[]) =>
  houses(db)
    .innerJoin(
      sql<{ id: number; n: number }>`unnest(${ids}::int[]) with ordinality`.as<'page'>(sql`page (id, n)`),
      'page.id',
      'h.id',
    )
    .orderBy('page.n')
