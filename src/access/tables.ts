import type { ColumnType, Generated } from 'kysely'
import type { Scope } from '../config/access-settings.ts'

declare module '../database/tables.ts' {
  interface Tables {
    'housing.api_keys': {
      id: string
      /** SHA-256 of the key. */
      hash: Buffer
      name: string
      scopes: Scope[]
      created_at: Generated<string>
      created_by: Generated<string>
      expires_at: ColumnType<string>
      revoked_at: Generated<string | null>
      last_used_on: Generated<unknown> // pg reads a date as a Date in local time: queries ask for its text
    }
  }
}
