import type { Generated } from 'kysely'
import type { HousingInput } from './schemas.ts'

declare module '../database/tables.ts' {
  interface Tables {
    'housing.housing': Omit<HousingInput, 'housing_type'> & {
      id: Generated<number>
      housing_type_id: number
      version: Generated<number>
      created_at: Generated<string>
      updated_at: Generated<string>
    }
    /** The change log, which triggers write: every version that a house ever had. */
    'housing.changes': HousingInput & {
      position: Generated<string>
      transaction: Generated<string>
      at: string
      by: string | null
      operation: 'created' | 'updated' | 'deleted' | 'restored'
      housing_id: number
      version: number
      created_at: string
      updated_at: string
    }
  }
}
