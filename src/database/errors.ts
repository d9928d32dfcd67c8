/** The database was not reached: nothing was sent, so anything may be tried again. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super(`The database cannot be reached: ${reason(cause)}`, { cause })
  }
}

/** The connection was of no use for the statement, of which nothing was done: anything may be tried again. */
export class NotDone extends Error {
  constructor(cause: unknown) {
    super(`The database did nothing: ${reason(cause)}`, { cause })
  }
}

/** No answer came in time. */
export class QueryTimeout extends Error {
  constructor(milliseconds: number) {
    super(`no answer within ${milliseconds / 1000} s`)
  }
}

/** The connection was lost, or timed out, after the statement was sent: it may or may not have taken effect. */
export class ConnectionLost extends Error {
  readonly timedOut: boolean
  constructor(cause: unknown) {
    super(`The connection to the database was lost: ${reason(cause)}`, { cause })
    this.timedOut = cause instanceof QueryTimeout
  }
}

/** The database does not keep up: nothing was sent, so anything may be tried again. */
export class Overloaded extends Error {
  constructor() {
    super('Too much is waiting for the database')
  }
}

/** What Postgres answers a statement with; all else is the connection's failure. */
export interface SqlError extends Error {
  /** SQLSTATE, five characters. */
  code: string
  severity: string
  constraint?: string
  position?: string
}

export const isSqlError = (error: unknown): error is SqlError => error instanceof Error && 'severity' in error

/**
 * Whether Postgres refuses for a while only: it starts, stops, is a standby, full of connections, or busy with others; or
 * this connection was lost.
 */
export const isPassing = (error: SqlError): boolean => /^(08|57P0|25006|53300|55P03|40001|40P01)/.test(error.code)

/** Whether Postgres gave a transaction up in favour of others: the whole of it may be tried again. */
export const isGivenUp = (error: unknown): error is SqlError => isSqlError(error) && /^40(001|P01)$/.test(error.code)

/** Whether Postgres, or the way to it, hangs: what is asked next would wait as long. */
export const isStuck = (error: unknown): boolean =>
  error instanceof Unreachable ||
  (error instanceof ConnectionLost && error.timedOut) ||
  (isSqlError(error) && error.code === '57014')

/** Names the violation of one constraint; any other error passes through. */
export const onViolation =
  (constraint: string, problem: () => Error) =>
  (error: unknown): never => {
    throw isSqlError(error) && error.constraint === constraint ? problem() : error
  }

/** An error's own words; of one that has none (several addresses were tried) those of its first part. */
export function reason(error: unknown): string {
  const { message, errors, code } = error as Error & { errors?: Error[]; code?: string }
  return message || errors?.[0]?.message || code || String(error)
}
