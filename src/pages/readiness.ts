import { Problem } from '../contract/problems.ts'

/** What stands between this process and serving data, as the process itself tells it. */
export interface Readiness {
  /** The version that the code needs, and the one that the database has (null: none, or not known yet). */
  schema: { expected: string; found: string | null; ready: boolean }
  draining: boolean
}

/** Refuses a query until the schema is there; what needs no query is answered before. */
export function refuseUntilReady({ schema }: Readiness): void {
  if (schema.ready) return
  const detail = `The database's schema is not ready: ${schema.expected} is needed, ${schema.found ?? 'none'} was found. Try again soon.`
  throw new Problem('unavailable', detail, { headers: { 'retry-after': '1' } })
}
