import { type Expression, sql } from 'kysely'
import { actorOf, setActor } from '../database/actor.ts'
import type { Database } from '../database/tables.ts'
import type { V1House } from './validation.ts'

/** A house as version 1 knows it: its type by id. */
export type V1HousingRow = Awaited<ReturnType<typeof insertV1Housing>>

export interface InPostalCode {
  postalCode: string
  offset: number
  limit: number
}

export const columns = ['id', 'address', 'street', 'city', 'postal_code', 'housing_type_id'] as const

/** The houses with exactly this stored postal code (trailing blanks aside), in the order of their creation. */
export const findV1Housing = (db: Database, { postalCode, offset, limit }: InPostalCode) =>
  inPostalCode(db, postalCode).offset(offset).limit(limit).execute()

export const inPostalCode = (db: Database, postalCode: string | Expression<string>) =>
  db
    .selectFrom('housing.housing')
    .select(columns)
    .where(sql<string>`postal_code collate "C"`, '=', postalCode)
    .orderBy('id')

/** Rejects with a violation of `fk_housing_type` where there is no such type. */
export const insertV1Housing = (db: Database, house: V1House) =>
  db
    .with('h', (cte) =>
      cte
        .insertInto('housing.housing')
        .values(house)
        .returning(columns)
        .returning(setActor(actorOf(db))),
    )
    .selectFrom('h')
    .select(columns)
    .executeTakeFirstOrThrow()
