import type { ColumnType, Generated } from 'kysely'

declare module '../database/tables.ts' {
  interface Tables {
    'housing.idempotency_keys': {
      key: string
      /** Whose key it is; '' where requests have no caller. */
      caller: Generated<string>
      fingerprint: Buffer
      status: number
      headers: ColumnType<Record<string, string>, string>
      body: string
      created_at: Generated<string>
    }
  }
}
