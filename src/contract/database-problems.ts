import {
  ConnectionLost,
  isSqlError,
  NotDone,
  Overloaded,
  RolledBack,
  type SqlError,
  Unreachable,
} from '../database/errors.ts'
import type { Code } from './problem-kinds.ts'

/** A kind of problem, and the sentence for this one. */
type Failure = [kind: Code, detail: string]

const unavailable = (what: string): Failure => ['unavailable', `${what}. Try again soon.`]

const busy = unavailable('The database is busy; nothing was changed')
const impossible = unavailable('The database cannot do this at the moment; nothing was changed')
const lost = unavailable('The connection to the database was lost')
const undone = unavailable('The connection to the database was lost; nothing was changed')
const refused = unavailable('The database cannot be reached at the moment')
const conflicting = unavailable('Concurrent changes kept conflicting; nothing was changed')
const overloaded = unavailable('Too many requests are waiting for the database')
const late: Failure = ['timeout', 'The database took too long; nothing was changed.']
const unknown: Failure = [
  'outcome-unknown',
  'The connection to the database was lost before it confirmed the write. If the request had an Idempotency-Key, repeat it unchanged. Otherwise check whether it took effect before you repeat it.',
]
const full: Failure = ['storage-full', 'The disk of the database is full: reading works, writing does not.']
const noMoreIds: Failure = ['storage-full', 'The database has no ids left for new rows: only changing works.']
const damaged: Failure = [
  'storage-damaged',
  'The database cannot read or write a part of its storage; nothing was changed. The operator must repair it.',
]
const mismatch: Failure = [
  'schema-mismatch',
  'The schema of the database is not what this release expects; nothing was changed. The operator must correct it.',
]
/** The program is at fault: Postgres rejects the statement itself, or this use of the connection. */
const bug = undefined

const conflict = (error: SqlError): Failure => [
  'conflict',
  `The database rejects this, because it conflicts with other data${named(error)}.`,
]
/** A row that others refer to cannot be deleted; a row cannot refer to one that does not exist. */
const reference = (error: SqlError, method: string): Failure =>
  method === 'DELETE' ? conflict(error) : rejected(error)

const rejected = (error: SqlError): Failure => [
  'rejected',
  `The database rejects a value${named(error)}. Ask its operator for the rule.`,
]
/** The message of a trigger is written for people, so it is passed on. */
const raised = ({ message }: SqlError): Failure => ['rejected', `The database rejects this: ${oneLine(message)}.`]

/** Clients send no id: its default is missing, or a constraint that the operator added wants a value. */
const missingValue = (error: SqlError): Failure => (error.column === 'id' ? mismatch : rejected(error))

/** The values of clients are checked, so it is the id, unless a function computes something else. */
const outOfRange = (error: SqlError): Failure => (error.where === undefined ? noMoreIds : rejected(error))

/** What a constraint or column is called in the database, where Postgres says it. */
const named = ({ constraint, column }: SqlError) =>
  constraint ? ` (constraint ${constraint})` : column ? ` (column ${column})` : ''

const oneLine = (text: string) =>
  text
    .replace(/[\p{C}\s]+/gu, ' ')
    .trim()
    .replace(/\.$/, '')
    .slice(0, 300)

/**
 * What each class of SQLSTATE means for the caller, and each code that differs from its class. Codes:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
const meanings: Record<string, Failure | ((error: SqlError, method: string) => Failure) | typeof bug> = {
  '00': rejected, // successful completion, warning and no data, where a function raises them as errors
  '01': rejected,
  '02': rejected,
  '03': bug, // statement not yet complete
  '08': impossible, // connection, of a function to elsewhere
  '09': rejected, // triggered action
  '0A': impossible, // feature not supported
  '0B': bug, // invalid transaction initiation
  '0F': bug, // locator
  '0L': mismatch, // invalid grantor
  '0P': mismatch, // invalid role
  '0Z': bug, // diagnostics
  '10': bug, // XQuery
  '20': rejected, // case not found
  '21': bug, // cardinality
  '22': rejected, // data
  '22003': outOfRange,
  '2200H': noMoreIds, // the sequence is exhausted
  '23': rejected, // integrity constraint
  '23001': conflict, // restrict
  '23503': reference, // foreign key
  '23502': missingValue, // not null
  '23505': conflict, // unique
  '23P01': conflict, // exclusion
  '24': bug, // invalid cursor state
  '25': bug, // invalid transaction state
  '25006': impossible, // read-only
  '25P03': late, // idle in transaction for too long
  '25P04': late, // transaction for too long
  '26': impossible, // invalid statement name
  '27': rejected, // triggered data change
  '28': refused, // authorization
  '2B': mismatch, // dependent privileges
  '2D': mismatch, // invalid transaction termination, by a trigger
  '2F': mismatch, // SQL routine
  '34': bug, // invalid cursor name
  '38': mismatch, // external routine
  '39': mismatch, // invocation of an external routine
  '3B': bug, // savepoint
  '3D': refused, // invalid database
  '3F': mismatch, // invalid schema
  '40': conflicting, // transaction rollback
  '40003': unknown, // completion unknown
  '42': mismatch, // syntax error or access rule
  '44': rejected, // check option of a view
  '53': busy, // insufficient resources
  '53100': full,
  '54': busy, // program limit, such as the queue of NOTIFY
  '55': impossible, // object not in prerequisite state
  '55P03': late, // lock not available
  '57': refused, // operator intervention
  '57014': late, // canceled, by statement_timeout or an operator
  '58': damaged, // system error, such as of input and output
  '72': busy, // snapshot too old
  F0: refused, // configuration file
  HV: impossible, // foreign data wrapper
  P0: raised, // PL/pgSQL
  P0000: rejected,
  P0002: rejected, // no data found
  P0003: rejected, // too many rows
  P0004: rejected, // assertion
  XX: impossible, // internal error
  XX001: damaged, // data corrupted
  XX002: damaged, // index corrupted
}

/** What an error of the database means for the caller of this method; undefined if the program is at fault. */
export function failureOf(error: unknown, method: string): Failure | undefined {
  const isWrite = method !== 'GET' && method !== 'HEAD'
  if (error instanceof Unreachable) return refused
  if (error instanceof NotDone) return error.timedOut ? late : impossible
  if (error instanceof RolledBack) return undone
  if (error instanceof Overloaded) return overloaded
  if (error instanceof ConnectionLost) {
    if (isWrite && !error.isOfRead) return unknown
    return error.timedOut ? ['timeout', 'The database did not answer in time.'] : lost
  }
  if (!isSqlError(error)) return undefined
  const meaning = error.code in meanings ? meanings[error.code] : meanings[error.code.slice(0, 2)]
  return typeof meaning === 'function' ? meaning(error, method) : meaning
}
