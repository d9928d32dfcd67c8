import type { Generated } from 'kysely'
import type { VersionedColumns } from '../database/tables.ts'
import type { HousingInput } from './schemas.ts'

declare module '../database/tables.ts' {
  interface Tables {
    'housing.housing': Omit<HousingInput, 'housing_type'> & VersionedColumns & { housing_type_id: number }
    /** The change log, which triggers write: every version that a house ever had. */
    'housing.changes': HousingInput & {
      position: Generated<string>
      transaction: Generated<string>
      at: string
      by: string | null
      db_role: string | null
      operation: 'created' | 'updated' | 'deleted' | 'restored'
      housing_id: number
      version: number
      created_at: string
      updated_at: string
    }
  }
}
