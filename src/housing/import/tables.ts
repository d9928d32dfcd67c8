import type { Generated } from 'kysely'

declare module '../../database/tables.ts' {
  interface Tables {
    'housing.imports': { id: Generated<string>; caller: string; columns: string[]; expires_at: string }
    'housing.import_chunks': { import: string; n: number; rows: string }
  }
}
