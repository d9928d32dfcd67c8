// What an error means for the statement that failed, and for its connection.
import {
  ConnectionLost,
  isGivenUp,
  isRaisedWithin,
  isSqlError,
  NotDone,
  QueryTimeout,
  RolledBack,
  type SqlError,
  UnreadableValue,
} from './errors.ts'

/**
 * After these SQLSTATEs a statement had no effect: how often it may be repeated, and whether over another connection.
 */
const withoutEffect: Record<string, { repetitions: number; replaces: boolean }> = {
  '40001': { repetitions: 3, replaces: false }, // Postgres gave it up in favour of others (serialization failure)
  '40P01': { repetitions: 3, replaces: false }, // the same (deadlock)
  '25006': { repetitions: 1, replaces: true }, // the server has become a standby
  '26000': { repetitions: 10, replaces: true }, // its prepared statement is gone, likely on other connections too
  '0A000': { repetitions: 10, replaces: true }, // its prepared statement has other columns by now
  '57P05': { repetitions: 10, replaces: true }, // the server ended the idle session, likely other ones too
}

/** The SQLSTATEs after which a connection is unusable: 08 connection, 57P shutdown, 25P03 and 25P04 its time is over. */
const fatal = /^(08|57P|25P0[34])/

/**
 * Whether Postgres ends the connection. With a PANIC it ends itself, perhaps after it wrote the commit; but not if the disk
 * is full (53100), as then it could not write it.
 */
const isFatal = ({ code, severity }: SqlError) => fatal.test(code) || (severity === 'PANIC' && code !== '53100')

/** Why the connection must be replaced, if so, and how often a statement by itself may be repeated. */
export interface Fate {
  loss?: ConnectionLost | NotDone | RolledBack
  repetitions: number
}

/** Whether a statement only reads. */
export const isRead = (text: string) => /^\s*(select|explain)\b/i.test(text)

/** Whether a statement changes rows. */
export const isWrite = (text: string) => !isRead(text) && /\b(insert into|update|delete from)\b/i.test(text)

/** Matches what begins a transaction. */
export const beginning = /^(begin|start transaction)\b/i

/** What becomes of a statement with this text after an error; `isOpen`: in a transaction whose COMMIT was not sent. */
export function fateOf(error: unknown, text: string, isOpen: boolean): Fate {
  if (error instanceof UnreadableValue) return { repetitions: 0 }
  if (error instanceof NotDone) return { loss: error, repetitions: 0 } // the embedded database gave the statement up
  // Whatever code it chose. But a session with a standby, where the probe raises 25006, is replaced.
  if (isRaisedWithin(error) && error.code !== '25006' && !isGivenUp(error)) return { repetitions: 0 }
  if (isOpen && error instanceof QueryTimeout) return { loss: new NotDone(error), repetitions: 0 }
  const code = isSqlError(error) ? error.code : undefined
  const isBegin = beginning.test(text) // never repeated: the statements after it must run on the same connection
  const known = code === undefined ? undefined : withoutEffect[code]
  if (known)
    return { ...(known.replaces && { loss: new NotDone(error) }), repetitions: isBegin ? 0 : known.repetitions }
  if (isSqlError(error) && !isFatal(error)) return { repetitions: 0 }
  if (isBegin) return { loss: new NotDone(error), repetitions: 0 }
  if (isOpen) return { loss: new RolledBack(error), repetitions: 0 }
  const loss = new ConnectionLost(error, { isOfRead: isRead(text) })
  return { loss, repetitions: loss.isOfRead && !loss.timedOut ? 1 : 0 }
}
