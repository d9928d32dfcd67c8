import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Dice } from '../dice.ts'
import type { Part, Write } from './history.ts'

/** How long a client repeats a request whose outcome it must know. */
const patience = 60_000

/** What the clients and the faults of one round share. */
export class Round {
  readonly seed: number
  /** The URLs of the APIs; one of them may be down. */
  readonly apis: string[]
  /** Whether clients and faults go on. */
  isRunning = true
  readonly writes: Write[] = []
  /** The houses that clients know, and the version that each was in when somebody last saw it. */
  readonly houses = new Map<number, number>()
  /** What clients were answered, for the report. */
  readonly did: Record<string, number> = { done: 0, failed: 0, unknown: 0 }
  /** What is wrong with the answers. */
  readonly found: string[] = []
  readonly #deletions = new Set<string>()
  #marks = 0

  constructor(seed: number, apis: string[]) {
    this.seed = seed
    this.apis = apis
  }

  count(what: string): void {
    this.did[what] = (this.did[what] ?? 0) + 1
  }

  nextMark = () => `w${++this.#marks}`

  /** Whether nobody else has sent a deletion of this version: two that are not answered could not be told apart. */
  mayDelete(id: number, version: number): boolean {
    const deletion = `${id} ${version}`
    if (this.#deletions.has(deletion)) return false
    this.#deletions.add(deletion)
    return true
  }
}

interface Request {
  method: string
  path: string
  body?: object
  headers?: Record<string, string>
  parts: Part[]
}

interface Answer {
  outcome: Write['outcome']
  body?: unknown
  isReplayed?: boolean
}

/** Writes until the round ends, and records what it was told. */
export async function beClient(round: Round, number: number): Promise<void> {
  const dice = new Dice(`${round.seed} client ${number}`)
  while (round.isRunning) {
    const request = nextRequest(round, dice)
    const write: Write = { parts: request.parts, outcome: 'unknown' }
    round.writes.push(write)
    write.outcome = await sendUntilKnown(round, dice, request)
    round.count(write.outcome)
    if (write.outcome !== 'done') await lookAgain(round, dice, request.parts)
    if (write.outcome !== 'done' || dice.chance(0.1)) await sleep(dice.between(1, 200))
  }
}

/** Learns the versions of the houses that a write was about. */
async function lookAgain({ apis, houses }: Round, dice: Dice, parts: Part[]): Promise<void> {
  for (const { id } of parts) {
    if (id === undefined) continue
    const url = `${dice.pick(apis)}/api/v2/housing/${id}`
    const answer = await fetch(url, { signal: AbortSignal.timeout(patience) }).catch(() => undefined)
    const body = (await answer?.json().catch(() => undefined)) as { version: number } | undefined
    if (answer?.status === 404) houses.delete(id)
    if (answer?.status === 200 && body) houses.set(id, body.version)
  }
}

function nextRequest(round: Round, dice: Dice): Request {
  const known = [...round.houses].slice(-40) // few, so that clients meet
  if (known.length === 0 || dice.chance(0.3)) return creation(round, dice)
  const [id, version] = dice.pick(known)
  const ifMatch = { 'if-match': `"${id}-${version}"` }
  const path = `/${id}`
  if (dice.chance(0.2)) return batch(round, dice, known)
  if (dice.chance(0.15) && round.mayDelete(id, version))
    return { method: 'DELETE', path, headers: ifMatch, parts: [{ operation: 'deleted', id, version: version + 1 }] }
  const mark = round.nextMark()
  const parts: Part[] = [{ operation: 'updated', mark, id, version: version + 1 }]
  if (dice.chance(0.5)) return { method: 'PUT', path, body: houseWith(mark), headers: ifMatch, parts }
  return { method: 'PATCH', path, body: { address: mark, city: mark }, headers: ifMatch, parts }
}

const houseWith = (mark: string) => ({
  ...{ address: mark, city: mark },
  ...{ street: 'Main', postal_code: 'V8V 1A1', housing_type: 'SFD' },
})

const withKey = (round: Round, dice: Dice) =>
  dice.chance(0.7) ? { headers: { 'idempotency-key': `${round.seed}-${round.nextMark()}` } } : {}

function creation(round: Round, dice: Dice): Request {
  const mark = round.nextMark()
  const parts: Part[] = [{ operation: 'created', mark, version: 1 }]
  return { method: 'POST', path: '', body: houseWith(mark), ...withKey(round, dice), parts }
}

function batch(round: Round, dice: Dice, known: [number, number][]): Request {
  const some = new Map(Array.from({ length: dice.between(1, 5) }, () => dice.pick(known)))
  const changes = [...some].map(([id, version]) => {
    if (dice.chance(0.1) && round.mayDelete(id, version))
      return [
        { op: 'delete', id, version },
        { operation: 'deleted', id, version: version + 1 },
      ]
    const mark = round.nextMark()
    return [
      { op: 'update', id, version, house: { address: mark, city: mark } },
      { operation: 'updated', mark, id, version: version + 1 },
    ]
  })
  const creations = Array.from({ length: dice.between(0, 20) }, () => {
    const mark = round.nextMark()
    return [
      { op: 'create', house: houseWith(mark) },
      { operation: 'created', mark, version: 1 },
    ]
  })
  const both = [...changes, ...creations]
  return {
    ...{ method: 'POST', path: '/batch', body: { operations: both.map(([operation]) => operation) } },
    ...withKey(round, dice),
    parts: both.map(([, part]) => part as Part),
  }
}

/**
 * Sends a request, and sends it again while its outcome is unknown, if that is safe. Some clients give up, and some ask
 * again for an answer that they have.
 */
async function sendUntilKnown(round: Round, dice: Dice, request: Request): Promise<Write['outcome']> {
  const hasKey = request.headers?.['idempotency-key'] !== undefined
  const isSafe = hasKey || request.method !== 'POST'
  const until = performance.now() + patience
  let isUnknown = false
  for (;;) {
    const answer = await send(round, dice, request)
    if (answer.outcome === 'done') {
      note(round, request.parts, answer.body)
      if (hasKey && dice.chance(0.05)) await askAgain(round, dice, request, answer)
      return 'done'
    }
    // What an earlier attempt did, the later one does not say.
    isUnknown ||= answer.outcome === 'unknown'
    if (!isUnknown) return 'failed'
    if (!isSafe || dice.chance(0.1) || (answer.outcome === 'failed' && !hasKey)) return 'unknown'
    if (performance.now() > until) {
      round.found.push(`No answer within ${patience / 1000} s to ${JSON.stringify(request)}`)
      return 'unknown'
    }
    round.count('sent again')
    await sleep(dice.between(20, 500))
  }
}

async function askAgain(round: Round, dice: Dice, request: Request, first: Answer): Promise<void> {
  const again = await send(round, dice, request)
  if (again.outcome !== 'done') return
  round.count('asked again')
  if (!again.isReplayed || !isDeepStrictEqual(again.body, first.body))
    round.found.push(`Answered ${JSON.stringify(first.body)}, then ${JSON.stringify(again)}`)
}

/** Takes ids and versions from an answer. */
function note(round: Round, parts: Part[], body: unknown): void {
  const { results = [body] } = (body ?? {}) as { results?: unknown[] }
  for (const [i, part] of parts.entries()) {
    const { id, version } = (results[i] ?? part) as { id: number; version: number } // a deletion has no body
    part.id ??= id
    if (part.id !== id || part.version !== version)
      round.found.push(`Answered ${JSON.stringify(results[i])} to ${JSON.stringify(part)}`)
    if (part.operation === 'deleted') round.houses.delete(id)
    else round.houses.set(id, version)
  }
}

async function send(round: Round, dice: Dice, { method, path, body, headers }: Request): Promise<Answer> {
  const goesAway = dice.chance(0.02)
  round.count('requests')
  try {
    const answer = await fetch(`${dice.pick(round.apis)}/api/v2/housing${path}`, {
      method,
      headers: { ...headers, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(goesAway ? dice.between(1, 40) : patience),
    })
    const text = await answer.text()
    return outcomeOf(round, answer, text === '' ? undefined : JSON.parse(text))
  } catch (error) {
    const { cause, name } = error as Error & { cause?: { code?: string } }
    if (cause?.code === 'ECONNREFUSED') {
      round.count('refused')
      return { outcome: 'failed' }
    }
    round.count(name === 'TimeoutError' && goesAway ? 'went away' : 'cut off')
    return { outcome: 'unknown' }
  }
}

function outcomeOf(round: Round, { ok, status, headers }: Response, body: unknown): Answer {
  if (ok) return { outcome: 'done', body, isReplayed: headers.get('idempotency-replayed') === 'true' }
  const { code } = body as { code: string }
  round.count(`${status} ${code}`)
  if (code === 'outcome-unknown' || code === 'idempotency-key-in-use') return { outcome: 'unknown' }
  if (![404, 409, 412, 503, 504].includes(status)) round.found.push(`Answered ${status} ${JSON.stringify(body)}`)
  return { outcome: 'failed' }
}
