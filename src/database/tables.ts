import type { Generated } from 'kysely'

/** The tables as Postgres holds them; sizes and constraints live in db/migrations. */
export interface Tables {
  'housing.housing_types': { id: Generated<number>; code: string; description: string }
  'housing.housing': {
    id: Generated<number>
    address: string
    street: string
    city: string
    postal_code: string
    housing_type_id: number
    version: Generated<number>
    created_at: Generated<string>
    updated_at: Generated<string>
  }
}
