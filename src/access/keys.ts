import { setTimeout as sleep } from 'node:timers/promises'
import type { Caller } from '../contract/caller.ts'
import type { OpenDatabase } from '../database/database.ts'
import { endingBy } from '../database/deadline.ts'
import type { Notices } from '../database/listen.ts'
import { Memory } from '../database/memory.ts'
import type { Database } from '../database/tables.ts'
import { hashOf, isWellFormed } from './api-key.ts'
import { InvalidCredentials } from './credentials.ts'
import { findKey, findKeys, type KeyRow, storeUses } from './queries.ts'

/** How long days of use are collected before they are stored, and how long a failure waits, in milliseconds. */
const pause = 10_000
const day = 24 * 60 * 60 * 1000

type Connections = Pick<OpenDatabase, 'beside' | 'patience'>

interface Key {
  id: string
  caller: Caller
  /** In milliseconds since 1970. */
  expires: number
  isRevoked: boolean
  /** The last day of use that is stored, or is about to be. */
  usedOn: number
}

/**
 * The callers of API keys: from memory while this process is notified of changes, otherwise read from Postgres each time.
 * A key is found by its SHA-256, so the comparison need not take constant time: its duration says something about that
 * hash only, and nobody can choose a key by its hash.
 */
export class ApiKeys {
  readonly #db: Database
  /** How long a request waits for its caller, in milliseconds. */
  readonly #patience: number
  readonly #memory: Memory<Map<string, Key>>
  /** By the ids of the keys: one object each, also while every request reads the database. */
  readonly #callers = new Map<string, Caller>()
  /** The days of use that are not stored yet, counted from 1970, by the ids of the keys. */
  readonly #uses = new Map<string, number>()
  readonly #report: (error: Error) => void
  #timer: NodeJS.Timeout | undefined
  /** Why the days could not be stored the last time. */
  #trouble: string | undefined

  /** `notices` are those of the channel `api_keys`. `report` receives why days of use could not be stored for now. */
  constructor({ beside, patience }: Connections, notices: Notices, report: (error: Error) => void = () => {}) {
    this.#db = beside
    this.#patience = patience
    this.#report = report
    this.#memory = new Memory(notices, async () => {
      const rows = await findKeys(beside)
      return new Map(rows.map((row) => [row.hash.toString('base64'), this.#key(row)]))
    })
  }

  /** Who has this key: the same object until the key changes. Fails with {@link InvalidCredentials}. */
  callerOf(text: string): Caller | Promise<Caller> {
    const key = this.#memory.atHand?.get(text)
    return key ? this.#use(key) : this.#find(text).then((key) => this.#use(key))
  }

  /** Stores the days of use that are not stored yet. Where that fails, they are kept for the next time. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const uses = new Map(this.#uses)
    if (uses.size === 0) return
    try {
      await storeUses(this.#db, uses)
      this.#trouble = undefined
      for (const [id, day] of uses) if (this.#uses.get(id) === day) this.#uses.delete(id)
    } finally {
      if (this.#uses.size > 0) this.#flushLater()
    }
  }

  async #find(text: string): Promise<Key> {
    if (!isWellFormed(text)) throw new InvalidCredentials('the API key is cut off or mistyped')
    const hash = hashOf(text)
    const until = performance.now() + this.#patience
    // All keys may be many: one that is asked for alone comes sooner.
    const known = await Promise.race([this.#memory.recall(), sleep(this.#patience / 2, undefined, { ref: false })])
    const row = known ? undefined : await findKey(endingBy(this.#db, until), Buffer.from(hash, 'base64'))
    const key = row ? this.#key(row) : known?.get(hash)
    if (!key) throw new InvalidCredentials('no such API key')
    known?.set(text, key) // found by its text from now on: checksum and hash take longer than all else
    return key
  }

  #use(key: Key): Caller {
    if (key.isRevoked) throw new InvalidCredentials(`the API key ${key.id} is revoked`)
    const now = Date.now()
    if (key.expires <= now) throw new InvalidCredentials(`the API key ${key.id} has expired`)
    this.#noteUse(key, now)
    return key.caller
  }

  #key({ id, scopes, expires_at, revoked_at, used_on }: KeyRow): Key {
    const caller = this.#caller(id, new Set(scopes))
    return { id, caller, expires: Date.parse(expires_at), isRevoked: revoked_at !== null, usedOn: used_on ?? -1 }
  }

  #caller(id: string, scopes: Caller['scopes']): Caller {
    const known = this.#callers.get(id)
    if (known && known.scopes.size === scopes.size && [...scopes].every((scope) => known.scopes.has(scope)))
      return known
    const caller = { name: `key:${id}`, scopes }
    this.#callers.set(id, caller)
    return caller
  }

  #noteUse(key: Key, now: number): void {
    const today = Math.floor(now / day)
    if (key.usedOn >= today) return
    key.usedOn = today
    this.#uses.set(key.id, today)
    this.#flushLater()
  }

  #flushLater(): void {
    this.#timer ??= setTimeout(() => this.flush().catch((error) => this.#reportOnce(error)), pause).unref()
  }

  /** Reports a failure, but not the same one again until the days could be stored. */
  #reportOnce(error: Error): void {
    if (error.message !== this.#trouble) this.#report(error)
    this.#trouble = error.message
  }
}
