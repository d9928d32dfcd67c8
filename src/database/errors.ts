/** The database was not reached. Nothing was sent, so anything may be tried again. */
export class Unreachable extends Error {
  constructor(cause: unknown) {
    super(`The database cannot be reached: ${reason(cause)}`, { cause })
  }
}

/** The connection was unusable and the statement had no effect, so anything may be tried again. */
export class NotDone extends Error {
  readonly timedOut: boolean
  constructor(cause: unknown) {
    super(`The statement had no effect: ${reason(cause)}`, { cause })
    this.timedOut = cause instanceof QueryTimeout
  }
}

/** No answer came in time. */
export class QueryTimeout extends Error {
  constructor(milliseconds: number) {
    super(`no answer within ${Math.round(milliseconds / 100) / 10} s`)
  }
}

/** Postgres carried the statement out, but this program cannot read a value of its answer. */
export class UnreadableValue extends Error {
  constructor(cause: unknown) {
    super(`A value of the answer cannot be read: ${reason(cause)}`, { cause })
  }
}

/** The connection was lost, or timed out, after the statement was sent: it may or may not have taken effect. */
export class ConnectionLost extends Error {
  readonly timedOut: boolean
  /** Whether the statement only reads, and so had no effect. */
  readonly isOfRead: boolean
  constructor(cause: unknown, { isOfRead = false } = {}) {
    super(`The connection to the database was lost: ${reason(cause)}`, { cause })
    this.timedOut = cause instanceof QueryTimeout
    this.isOfRead = isOfRead
  }
}

/** The connection was lost in a transaction whose COMMIT was not sent: nothing of it took effect. */
export class RolledBack extends Error {
  constructor(cause: unknown) {
    super(`The connection to the database was lost in a transaction: ${reason(cause)}`, { cause })
  }
}

/** Too many statements wait for the database. Nothing was sent, so anything may be tried again. */
export class Overloaded extends Error {
  constructor() {
    super('Too many statements are waiting for the database')
  }
}

/** Postgres' answer to a statement that it rejects. Any other error is a failure of the connection. */
export interface SqlError extends Error {
  /** SQLSTATE, five characters. */
  code: string
  severity: string
  constraint?: string
  column?: string
  position?: string
  /** Inside which functions it happened. */
  where?: string
}

export const isSqlError = (error: unknown): error is SqlError => error instanceof Error && 'severity' in error

/**
 * Whether waiting may help: Postgres is starting, stopping, a standby, out of connections or busy with other
 * transactions, or this connection was lost.
 */
export const isPassing = (error: SqlError): boolean => /^(08|57P0|25006|53300|55P03|40001|40P01)/.test(error.code)

/** Whether Postgres gave a transaction up in favour of others; the whole transaction may be tried again. */
export const isGivenUp = (error: unknown): error is SqlError => isSqlError(error) && /^40(001|P01)$/.test(error.code)

/** Whether a function, such as a trigger's, rejects the statement: it was rolled back, and the connection goes on. */
export const isRaisedWithin = (error: unknown): error is SqlError =>
  isSqlError(error) && error.severity === 'ERROR' && error.where !== undefined

/** Whether the schema is not as this release expects: something is missing, has another form, or may not be used. */
export const isOfSchema = (error: unknown): error is SqlError => isSqlError(error) && /^(42|3F)/.test(error.code)

/** Whether Postgres rejected it because the role lacks a right. */
export const isForbidden = (error: unknown): boolean => isSqlError(error) && error.code === '42501'

/** Whether the database has no space left, or cannot read what it stored. */
export const isOfStorage = (error: unknown): error is SqlError =>
  isSqlError(error) && /^(53100|58|XX00[12])/.test(error.code)

/** Whether a text is not a point in time that exists. */
export const isInvalidTime = (error: unknown): boolean => isSqlError(error) && /^2200[78]$/.test(error.code)

/** Whether Postgres, or the network to it, hangs, or no connection became free; the next statement would wait just as long. */
export const isStuck = (error: unknown): boolean =>
  error instanceof Unreachable ||
  error instanceof Overloaded ||
  (error instanceof ConnectionLost && error.timedOut) ||
  (isSqlError(error) && error.code === '57014')

/** Turns the violation of one constraint into a problem; any other error passes through. */
export const onViolation =
  (constraint: string, problem: () => Error) =>
  (error: unknown): never => {
    throw isSqlError(error) && error.constraint === constraint ? problem() : error
  }

/** The message of an error. An error without one (several addresses were tried) has parts: the first part's message. */
export function reason(error: unknown): string {
  const { message, errors, code } = error as Error & { errors?: Error[]; code?: string }
  return message || errors?.[0]?.message || code || String(error)
}
