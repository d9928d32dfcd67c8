import { sql } from 'kysely'
import { inUtc } from '../../contract/time.ts'
import { actorOf, setActor } from '../../database/actor.ts'
import { statement } from '../../database/statement.ts'
import type { Database } from '../../database/tables.ts'
import { columns, type HousingRow, idOfType } from '../queries.ts'
import { type HousingInput, writableMembers } from '../schemas.ts'

/** An entry of the change log. A deletion holds the row as it was before. */
export type VersionRow = Awaited<ReturnType<typeof findVersions>>[number]

const versions = (db: Database, id: number) =>
  db
    .selectFrom('housing.changes')
    .select(['version', 'at', 'by', 'operation', 'housing_id as id', ...writableMembers, 'created_at', 'updated_at'])
    .where('housing_id', '=', id)
    .orderBy('version', 'desc')

/** The house in this entry: after the change or, for a deletion, before it. */
export function houseOf({ at, by, operation, ...house }: VersionRow) {
  return { ...house, version: operation === 'deleted' ? house.version - 1 : house.version }
}

/** Never sent, only planned, to see that the change log has what its triggers write, and may be read. */
statement('find_versions', (db, { id }: { id: number }) => versions(db, id).compile())

/** Versions of a house, newest first; none if the house never existed. */
export const findVersions = (db: Database, id: number, { before, limit }: { before?: number; limit: number }) =>
  versions(db, id)
    .$if(before !== undefined, (query) => query.where('version', '<', before as number))
    .limit(limit)
    .execute()

export const findVersion = (db: Database, id: number, version: number) =>
  versions(db, id).where('version', '=', version).executeTakeFirst()

/** The version that was current at that instant (RFC 3339). */
export const findVersionAt = (db: Database, id: number, instant: string) =>
  versions(db, id).where('at', '<=', inUtc(instant)).limit(1).executeTakeFirst()

/** Whether the instant is more than a second ahead of the database's clock. */
export async function isAhead(db: Database, instant: string): Promise<boolean> {
  const { rows } = await sql<{ ahead: boolean }>`
    select ${inUtc(instant)}::timestamptz > clock_timestamp() + interval '1 second' as ahead`.execute(db)
  return rows[0]?.ahead ?? false
}

/** Makes the change log record the changes of this transaction as `restored`. */
export const markAsRestoring = (tx: Database) => sql`select set_config('sample_api.restoring', 'on', true)`.execute(tx)

/**
 * Inserts a deleted house again under its id; a trigger continues its versions. Undefined if the id is in use.
 * Rejects with a violation of `fk_housing_type` if its type no longer exists.
 */
export const undeleteHousing = (db: Database, id: number, { housing_type, ...house }: HousingInput) =>
  db
    .with('h', (cte) =>
      cte
        .insertInto('housing.housing')
        .values({ ...house, id, housing_type_id: idOfType(housing_type) })
        .onConflict((there) => there.column('id').doNothing())
        .returningAll()
        .returning(setActor(actorOf(db))),
    )
    .selectFrom('h')
    .innerJoin('housing.housing_types as t', 't.id', 'h.housing_type_id')
    .select(columns)
    .executeTakeFirst() satisfies Promise<HousingRow | undefined>
