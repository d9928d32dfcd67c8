import type { Generated } from 'kysely'

declare module '../../database/tables.ts' {
  interface Tables {
    /** The order of the changes in the feed. `change` is a position of `housing.changes`. */
    'housing.feed': { position: Generated<string>; change: string }
  }
}
