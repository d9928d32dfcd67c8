import { Problem } from '../contract/problems.ts'

/** How deep a body may nest. */
const maxDepth = 32
/** The most members one object may have; each unknown one is reported, so the number must be bounded. */
const maxMembers = 50

const [quote, comma, colon, openObject, closeObject, openList, closeList, backslash] = [...'",:{}[]\\'].map((char) =>
  char.charCodeAt(0),
)

/**
 * Scans JSON once, before it is parsed, and throws where it first nests too deeply, repeats a member of an object, or
 * has too many members in one object or items in one list. Text that is not JSON may pass.
 */
export function checkBudget(json: string, maxItems: number): void {
  const names: string[] = [] // the members so far of all open objects, from the outside in
  const firsts: number[] = [] // for each open object the index of its first name; for each open list -1
  const commas: number[] = [] // how many commas each open object or list has so far
  let text = '' // the last string, in its quotes

  for (let at = 0; at < json.length; at++) {
    const char = json.charCodeAt(at)
    if (char === quote) {
      const begin = at
      at = endOfString(json, at)
      text = json.slice(begin, at + 1)
    } else if (char === openObject || char === openList) {
      if (firsts.length === maxDepth) throw malformed(`The body must not nest deeper than ${maxDepth} levels.`)
      firsts.push(char === openObject ? names.length : -1)
      commas.push(0)
    } else if (char === closeObject || char === closeList) {
      const first = firsts.pop() ?? -1
      if (first >= 0) names.length = first
      commas.pop()
    } else if (char === comma) {
      const count = (commas.pop() ?? 0) + 1
      commas.push(count)
      if (count >= maxItems && firsts.at(-1) === -1) throw tooManyItems(place(), maxItems)
    } else if (char === colon) {
      const first = firsts.at(-1) ?? -1
      if (first >= 0) addName(first)
    }
  }

  function addName(first: number): void {
    const name = unescaped(text)
    if (names.indexOf(name, first) >= 0)
      throw malformed(`The member ${shortened(text)} must not occur twice${within()}.`)
    if (names.push(name) - first > maxMembers)
      throw malformed(`An object must not have more than ${maxMembers} members${within()}.`)
  }

  /** The JSON Pointer to the innermost open object or list. */
  function place(): string {
    const steps: string[] = []
    let end = names.length
    for (const [level, first] of [...firsts.entries()].reverse()) {
      const step = first === -1 ? `${commas[level]}` : shortened(`${names[end - 1]}`)
      if (level < firsts.length - 1) steps.unshift(`/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`)
      if (first >= 0) end = first
    }
    return steps.join('')
  }
  function within(): string {
    const pointer = place()
    return pointer && ` in ${pointer}`
  }
}

function endOfString(json: string, begin: number): number {
  let at = begin + 1
  for (; at < json.length; at++) {
    const char = json.charCodeAt(at)
    if (char === quote) break
    if (char === backslash) at++
  }
  return at
}

/** A string without its quotes. One that is not JSON stays as it is: the parser will reject it. */
function unescaped(text: string): string {
  if (!text.includes('\\')) return text.slice(1, -1)
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** A name of a member, as sentences quote it. */
export const shortened = (text: string) => (text.length > 100 ? `${text.slice(0, 100)}…` : text)

const malformed = (detail: string) => new Problem('malformed-body', detail)

function tooManyItems(pointer: string, maxItems: number): Problem {
  const detail = `must have at most ${maxItems} items.`
  return new Problem('invalid-body', `${pointer || 'The body'} ${detail}`, {
    errors: [{ pointer, code: 'maxItems', detail }],
  })
}
