import type { Generated, Kysely } from 'kysely'

/** The tables as Postgres holds them. Each folder that owns tables adds them in its tables.ts. */
// biome-ignore lint/suspicious/noEmptyInterface: the folders that own tables extend this interface
export interface Tables {}

/** Every query's first argument: the database, or a transaction in its place. */
export type Database = Kysely<Tables>

/** The columns that the trigger `housing.next_version` keeps, and the id. */
export interface VersionedColumns {
  id: Generated<number>
  version: Generated<number>
  created_at: Generated<string>
  updated_at: Generated<string>
}
