import { Problem } from '../contract/problems.ts'

/** Whether this process can serve data, as far as it knows by itself. */
export interface Readiness {
  /** The version that the code needs, and the one that the database has (null: none, or not known yet). */
  schema: { expected: string; found: string | null; ready: boolean }
  draining: boolean
}

/** Rejects every query until the schema is ready. Answers that need no query are not affected. */
export function rejectUntilReady({ schema }: Readiness): void {
  if (schema.ready) return
  const detail = `The database schema is not ready: version ${schema.expected} is required, the database has ${schema.found ?? 'none'}. Try again soon.`
  throw new Problem('unavailable', detail, { headers: { 'retry-after': '1' } })
}
