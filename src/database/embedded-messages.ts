// The few messages of Postgres' protocol (version 3) that the embedded database reads or adds.

/** How the first message of a connection begins, which has no type; all others begin with theirs. */
export const startup = 0
export const terminate = 'X'.charCodeAt(0)
const query = 'Q'.charCodeAt(0)
const execute = 'E'.charCodeAt(0)
const sync = 'S'.charCodeAt(0)
const error = 'E'.charCodeAt(0)

/** Splits a buffer of whole messages. */
function* split(buffer: Buffer): Generator<Buffer> {
  for (let at = 0; at < buffer.length; ) {
    const end = at + 1 + buffer.readInt32BE(at + 1)
    yield buffer.subarray(at, end)
    at = end
  }
}

function message(type: string, content: string): Buffer {
  const bytes = Buffer.from(`${type}0000${content}`)
  bytes.writeInt32BE(bytes.length - 1, 1)
  return bytes
}

const copyFail = message('f', 'The embedded database cannot read rows from a client.\0')

/**
 * Adds a CopyFail after each statement, which Postgres ignores unless the statement is a COPY FROM STDIN. PGlite would
 * end the process if such a COPY had to wait for its rows.
 */
export function withoutCopy(messages: Buffer): Buffer {
  if (messages[0] === startup) return messages
  const parts: Buffer[] = []
  for (const message of split(messages)) {
    parts.push(message)
    if (message[0] === query || message[0] === execute) parts.push(copyFail)
  }
  return Buffer.concat(parts)
}

/**
 * Divides messages into those that commit nothing and those that may. Parameters are sent with statements that Postgres
 * commits at the Sync after them. A statement without parameters is committed with its own message, unless it only reads.
 */
export function aroundCommit(messages: Buffer): [Buffer, Buffer] {
  if (messages[0] === startup) return [messages, Buffer.of()]
  let at = 0
  for (const message of split(messages)) {
    if (message[0] === sync || (message[0] === query && !reads(message))) break
    at += message.length
  }
  return [messages.subarray(0, at), messages.subarray(at)]
}

/** A COPY from the client fails. */
const reads = (message: Buffer) => /^\s*(select|explain|copy)\b/i.test(message.toString('latin1', 5, 100))

/** A message that runs statements. */
export const statements = (sql: string): Buffer => message('Q', `${sql}\0`)

/** The end of an answer, outside of a transaction. */
export const readyForQuery = message('Z', 'I')

/** What Postgres answers when it ends a session. */
export const fatalError = (sqlState: string, text: string): Buffer =>
  message('E', `SFATAL\0VFATAL\0C${sqlState}\0M${text}\0\0`)

export const hasError = (answer: Buffer): boolean => [...split(answer)].some((message) => message[0] === error)
