/** What a check found, and what to do about it. */
export interface Finding {
  check: string
  /** `warning`: it works, but something should change. `skipped`: it could not be checked. */
  status: 'ok' | 'warning' | 'failed' | 'skipped'
  detail: string
  remedy?: string
}

type Outcome = Omit<Finding, 'check'>

export const ok = (detail: string): Outcome => ({ status: 'ok', detail })
export const skipped = (detail: string): Outcome => ({ status: 'skipped', detail })
export const warning = (detail: string, remedy: string): Outcome => ({ status: 'warning', detail, remedy })
/** Without a remedy where the detail says what to do. */
export const failed = (detail: string, remedy?: string): Outcome => ({
  status: 'failed',
  detail,
  ...(remedy && { remedy }),
})
export type { Outcome }
