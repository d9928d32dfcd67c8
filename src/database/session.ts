import type { ClientBase } from 'pg'

/**
 * The settings that the program needs in each session, whatever the server, the database or the role sets: how times
 * are written; that no function of another schema hides one of Postgres; how transactions are isolated.
 */
const session = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, YMD',
  search_path: 'pg_catalog',
  default_transaction_isolation: 'read committed',
  standard_conforming_strings: 'on',
}

/** The same as pg's option `options`, for the start of a session. */
export const sessionOptions = Object.entries(session)
  .map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`)
  .join(' ')

/** The same as statements, for a session that takes no options at its start. */
export const sessionStatements = Object.entries(session)
  .map(([name, value]) => `set ${name} = '${value}'`)
  .join('; ')

const settings = Object.keys(session).map((name) => `pg_catalog.current_setting('${name}') as "${name}"`)
const question = { text: `select ${settings.join(', ')}, current_user as role`, query_timeout: 1000 }

/** A pooler dropped the options of the session; the message says what to do. */
class SessionDiffers extends Error {}

/** Rejects with a {@link SessionDiffers} if the session does not have the settings that it was started with. */
export async function checkSession(client: ClientBase): Promise<void> {
  const { rows } = await client.query(question)
  const { role, ...found } = rows[0] as Record<string, string>
  const different = Object.entries(session).filter(([name, value]) => found[name] !== value)
  if (different.length === 0) return
  const wrong = different.map(([name]) => `${name} is ${found[name]}`).join(', ')
  const remedy = different.map(([name, value]) => `alter role "${role}" set ${name} = '${value}';`).join(' ')
  throw new SessionDiffers(`a pooler dropped the options of the session (${wrong}): run ${remedy}`)
}
