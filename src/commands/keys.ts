import { isApiKey, makeApiKey } from '../access/api-key.ts'
import {
  endKey,
  findListedKey,
  insertKey,
  insertSuccessor,
  type ListedKey,
  listKeys,
  revokeKey,
} from '../access/queries.ts'
import { isScope, type Scope } from '../config/access-settings.ts'
import type { Config } from '../config/config.ts'
import { scopes } from '../config/settings.ts'
import { isText, trimmed } from '../contract/text.ts'
import type { Database } from '../database/tables.ts'
import { inTransaction } from '../database/transaction.ts'
import { openAlone } from './open-alone.ts'
import { requireSchema } from './require-schema.ts'
import { say } from './say.ts'
import { UsageError } from './usage-error.ts'

// Keys go to stdout and are printed before the transaction ends: a key that could not be printed does not exist.

export async function createKey(config: Config, options: { name: string; scope: string[]; expires: string }) {
  const [name, scopes] = [nameIn(options.name), scopesIn(options.scope)]
  const lifetime = secondsIn('--expires', options.expires, 1)
  await withKeys(config, async (db) => {
    const { key, ...stored } = makeApiKey()
    const made = await inTransaction(db, async (tx) => {
      const made = await insertKey(tx, { ...stored, name, scopes, lifetime })
      await print(key)
      return made
    })
    describe(made)
  })
}

/** Replaces a key: the old one stays valid for the overlap, so that those who have it can change to the new one. */
export async function rotateKey(config: Config, id: string, options: { overlap: string }) {
  const [old, overlap] = [idIn(id), secondsIn('--overlap', options.overlap, 0)]
  await withKeys(config, async (db) => {
    const { key, ...stored } = makeApiKey()
    const [made, ended] = await inTransaction(db, async (tx) => {
      const { revoked_at } = await knownKey(tx, old)
      if (revoked_at !== null)
        throw new UsageError(`The key ${old} was revoked at ${time(revoked_at)}: make a new one by \`keys create\`.`)
      const made = await insertSuccessor(tx, stored, old)
      const ended = await (overlap === 0 ? revokeKey(tx, old) : endKey(tx, old, overlap))
      await print(key)
      return [made, ended] as const
    })
    describe(made)
    if (ended?.state === 'revoked') say(`The old key ${old} is revoked.`)
    else
      say(
        `The old key ${old} ${ended?.state === 'expired' ? 'expired' : 'stays valid until'} ${time(ended?.expires_at)}.`,
      )
  })
}

export async function revoke(config: Config, text: string) {
  const id = idIn(text)
  await withKeys(config, async (db) => {
    const revoked = await revokeKey(db, id)
    const { name, revoked_at } = revoked ?? (await knownKey(db, id))
    if (revoked) say(`The key ${id} (${visible(name)}) is revoked. Every process refuses it within a second.`)
    else say(`The key ${id} (${visible(name)}) was already revoked at ${time(revoked_at)}.`)
  })
}

export async function printKeys(config: Config, { json = false }: { json?: boolean }) {
  const keys = await withKeys(config, listKeys)
  if (json) await print(JSON.stringify(keys, null, 2))
  else if (keys.length > 0) await print(asTable(keys))
  else say('There are no API keys yet: `keys create` makes one.')
}

/** Runs `work` on the database of these settings, whose schema must be up to date. */
const withKeys = <T>({ database: settings }: Config, work: (db: Database) => Promise<T>): Promise<T> =>
  openAlone(settings, { makes: false }, async (database) => {
    await requireSchema(database)
    return work(database.db)
  })

async function knownKey(db: Database, id: string): Promise<ListedKey> {
  const key = await findListedKey(db, id)
  if (!key) throw new UsageError(`No API key has the id ${id}: \`keys list\` lists them.`)
  return key
}

function nameIn(text: string): string {
  if (!isText(text, 100)) throw new UsageError('--name must be 1 to 100 characters in one line, and not only blanks.')
  return trimmed(text)
}

function scopesIn(texts: string[]): Scope[] {
  const unknown = texts.find((text) => !isScope(text))
  if (unknown !== undefined)
    throw new UsageError(
      `--scope is "${unknown}": it must be one of ${scopes.join(', ')}. Each includes those before it. Repeat --scope for several.`,
    )
  return scopes.filter((scope) => texts.includes(scope))
}

const units: Record<string, number> = { s: 1, m: 60, h: 60 * 60, d: 24 * 60 * 60 }
const longest = 365 * 24 * 60 * 60

function secondsIn(option: string, text: string, least: 0 | 1): number {
  const [, count, unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const seconds = Number(count) * (units[unit] ?? Number.NaN)
  if (seconds >= least && seconds <= longest) return seconds
  throw new UsageError(
    `${option} is "${text}": it must be a whole number with d, h, m or s (days to seconds), from ${least}s to 365d, such as 90d.`,
  )
}

/** The id as a person writes it: as in lists, or with `key:` as in the log. Quotes nothing, as it may be a key. */
function idIn(text: string): string {
  const id = text.replace(/^key:/, '')
  if (/^[0-9a-f]{8}$/.test(id)) return id
  throw new UsageError(
    `${isApiKey(id) ? 'This is a key, not its id. An' : 'An'} id has 8 characters from 0-9 and a-f, such as 7f3a9c01: \`keys list\` lists them.`,
  )
}

function describe({ id, name, scopes, expires_at }: ListedKey): void {
  say('The key is on stdout. It is shown only this once, and stored nowhere: keep it as you keep a password.')
  say(`  id       ${id} (in the log and the change log: key:${id})`)
  say(`  name     ${visible(name)}`)
  say(`  scopes   ${scopes.join(', ')}`)
  say(`  expires  ${time(expires_at)}`)
  say('Send it with each request: curl -H "Authorization: Bearer $KEY" …')
}

function asTable(keys: ListedKey[]): string {
  const rows = [
    ['ID', 'NAME', 'SCOPES', 'CREATED', 'BY', 'EXPIRES', 'LAST USED', 'STATE'],
    ...keys.map((key) => [
      ...[key.id, key.name, key.scopes.join(', '), time(key.created_at), key.created_by, time(key.expires_at)],
      ...[key.last_used_on ?? 'never', key.revoked_at === null ? key.state : `revoked ${time(key.revoked_at)}`],
    ]),
  ].map((row) => row.map(visible))
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** What SQL wrote may contain characters that command a terminal. */
const visible = (text: string) => text.replace(/\p{C}/gu, '?')

/** To the minute, for people. */
const time = (text: string | null = null) => (text === null ? '' : `${text.slice(0, 16).replace('T', ' ')} UTC`)

/** Resolves once stdout has taken the text. */
const print = (text: string) =>
  new Promise<void>((resolve, reject) => {
    const fail = ({ message }: Error) =>
      reject(new Error(`stdout cannot be written to (${message}). Nothing was changed.`))
    process.stdout.once('error', fail).write(`${text}\n`, (error) => (error ? fail(error) : resolve()))
  })
