import { isDeepStrictEqual } from 'node:util'

/** A house as it is answered; every write gives it an address and a city that are the same, and that no other write has. */
export interface House {
  id: number
  version: number
  address: string
  city: string
}

/** A change as the feed has it. */
export interface Change {
  operation: string
  id: number
  version: number
  house: House
}

/** What a write does to one house. */
export interface Part {
  operation: 'created' | 'updated' | 'deleted'
  /** The address and the city that it gives the house; a deletion gives none. */
  mark?: string
  /** Undefined for a house whose creation was not answered. */
  id?: number
  /** The version that it makes. Nobody else deletes what makes this version of this house. */
  version: number
}

/** What a client sent, and what it was told about it in the end. `unknown`: nothing that can be relied on. */
export interface Write {
  parts: Part[]
  outcome: 'done' | 'failed' | 'unknown'
}

/**
 * Compares what clients were told with all changes, in the order of the feed, and with the houses that there are in the
 * end. Answers what was lost, doubled, torn, or done though it was reported as failed, and what nobody wrote.
 */
export function violations(writes: Write[], changes: Change[], houses: House[]): string[] {
  const found = disorder(changes)
  const stored = new Map<string, Change[]>()
  for (const change of changes) stored.set(keyOf(change), [...(stored.get(keyOf(change)) ?? []), change])
  for (const { parts, outcome } of writes) {
    const what = `${outcome}: ${parts.map(keyOf).join(', ')}`
    const present = parts.filter((part) => stored.has(keyOf(part)))
    if (outcome === 'done' && present.length === 0) found.push(`Lost: ${what}`)
    if (outcome === 'failed' && present.length > 0) found.push(`Done, but reported as failed: ${what}`)
    if (present.length > 0 && present.length < parts.length)
      found.push(`Torn, only ${present.map(keyOf).join(', ')} of ${what}`)
    for (const part of present) {
      const [change, ...others] = stored.get(keyOf(part)) as [Change, ...Change[]]
      if (others.length > 0) found.push(`Doubled: ${what} is ${text([change, ...others])}`)
      if (!isOf(part, change)) found.push(`Different: ${text(part)} is ${text(change)}`)
      stored.delete(keyOf(part))
    }
  }
  for (const others of stored.values()) found.push(`Nobody wrote ${text(others)}`)
  return [...found, ...differences(changes, houses)]
}

const text = JSON.stringify

/** What finds a part among the changes. */
const keyOf = (one: Part | Change): string =>
  one.operation === 'deleted'
    ? `deletion ${one.version} of ${one.id}`
    : 'house' in one
      ? one.house.address
      : String(one.mark)

const isOf = (part: Part, { operation, id, version }: Change) =>
  part.operation === operation && part.version === version && (part.id ?? id) === id

/** Where the versions of a house do not follow each other, or a version has parts of two writes. */
function disorder(changes: Change[]): string[] {
  const last = new Map<number, Change>()
  const found: string[] = []
  for (const change of changes) {
    const { operation, id, version, house } = change
    const before = last.get(id)
    const isNext = version === (before?.version ?? 0) + 1
    const isFirst = operation === 'created'
    if (!isNext || isFirst !== (before === undefined) || before?.operation === 'deleted')
      found.push(`Out of order: ${text(before)} is followed by ${text(change)}`)
    if (house.address !== house.city) found.push(`Torn: ${text(change)}`)
    last.set(id, change)
  }
  return found
}

/** Where the houses that there are differ from their last changes. */
function differences(changes: Change[], houses: House[]): string[] {
  const expected = new Map<number, House>()
  for (const { operation, id, house } of changes)
    if (operation === 'deleted') expected.delete(id)
    else expected.set(id, house)
  const found: string[] = []
  for (const house of houses) {
    if (!isDeepStrictEqual(house, expected.get(house.id)))
      found.push(`The house ${text(house)} is ${text(expected.get(house.id))} in its history, or is there twice`)
    expected.delete(house.id)
  }
  for (const house of expected.values()) found.push(`The house ${text(house)} is only in its history`)
  return found
}
