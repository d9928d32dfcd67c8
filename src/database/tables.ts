import type { ColumnType, Generated } from 'kysely'

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
  'housing.changes': {
    position: Generated<string>
    transaction: Generated<string>
    at: string
    by: string | null
    operation: 'created' | 'updated' | 'deleted' | 'restored'
    housing_id: number
    version: number
    address: string
    street: string
    city: string
    postal_code: string
    housing_type: string
    created_at: string
    updated_at: string
  }
  'housing.idempotency_keys': {
    key: string
    fingerprint: Buffer
    status: number
    headers: ColumnType<Record<string, string>, string>
    body: string
    created_at: Generated<string>
  }
}
