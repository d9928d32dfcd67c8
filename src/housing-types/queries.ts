import { sql } from 'kysely'
import type { Database } from '../database/tables.ts'

export type HousingTypeRow = Awaited<ReturnType<typeof findHousingTypes>>[number]

const housingTypes = (db: Database) => db.selectFrom('housing.housing_types').select(['id', 'code', 'description'])

/** All of them, in the order of their creation. */
export const findHousingTypes = (db: Database) => housingTypes(db).orderBy('id').execute()

/** By its code, in which trailing blanks do not matter. */
export const findHousingType = (db: Database, code: string) =>
  housingTypes(db).where('code', '=', code).executeTakeFirst()

/** Locks out other writers of housing types until the transaction ends; reads, and writes of houses, go on. */
export const lockHousingTypes = (db: Database) =>
  sql`lock table housing.housing_types in share row exclusive mode`.execute(db)

export const insertHousingType = (db: Database, code: string, description: string) =>
  db.insertInto('housing.housing_types').values({ code, description }).execute()

export const updateHousingType = (db: Database, code: string, description: string) =>
  db.updateTable('housing.housing_types').set({ description }).where('code', '=', code).execute()

/** Rejects with a violation of `fk_housing_type` while houses have the type. */
export const deleteHousingType = (db: Database, code: string) =>
  db.deleteFrom('housing.housing_types').where('code', '=', code).execute()
