import { Problem } from '../contract/problems.ts'

/** Whether this process can serve data, as far as it knows by itself. */
export interface Readiness {
  /** The version that the code needs, and the one that the database has (null: none, or not known yet). */
  schema: { expected: string; found: string | null; ready: boolean }
  draining: boolean
}

/** Rejects queries until the schema is there. Whatever needs no query is answered before. */
export function rejectUntilReady({ schema }: Readiness): void {
  if (schema.ready) return
  const detail = `The database's schema is not ready: ${schema.expected} is needed, ${schema.found ?? 'none'} was found. Try again soon.`
  throw new Problem('unavailable', detail, { headers: { 'retry-after': '1' } })
}
