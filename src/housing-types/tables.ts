import type { Generated } from 'kysely'

declare module '../database/tables.ts' {
  interface Tables {
    'housing.housing_types': { id: Generated<number>; code: string; description: string }
  }
}
