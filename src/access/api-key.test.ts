import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hashOf, isApiKey, isWellFormed, makeApiKey } from './api-key.ts'

const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const key = 'hr_8HqLxQ2bNcR4vT6yZ0aW3eD5fG7hJ9kM1nP2qS4tU6w_2E2DQb'

/** CRC-32 by its definition, bit by bit. */
function crc32(text: string): number {
  let crc = 0xffffffff
  for (const byte of Buffer.from(text)) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

const numberOf = (base62: string) =>
  [...base62].reduce((value, digit) => value * 62n + BigInt(digits.indexOf(digit)), 0n)

test('a new key has its form, its checksum and 256 random bits', () => {
  const keys = Array.from({ length: 1000 }, () => makeApiKey().key)
  for (const key of keys) {
    expect(key).toMatch(/^hr_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/)
    expect(numberOf(key.slice(3, 46)) < 2n ** 256n).toBe(true)
    expect(numberOf(key.slice(47))).toBe(BigInt(crc32(key.slice(0, 46))))
    expect(isApiKey(key) && isWellFormed(key)).toBe(true)
  }
  expect(new Set(keys).size).toBe(1000)
  for (let bit = 0n; bit < 256n; bit++) {
    const set = keys.filter((key) => (numberOf(key.slice(3, 46)) >> bit) & 1n).length
    expect(set, `bit ${bit} of 1000 keys`).toSatisfy((set) => set > 350 && set < 650) // 9 sigma
  }
})

test('a key that was made before stays one', () => expect(isWellFormed(key)).toBe(true))

describe('what is not a key', () => {
  test.each([
    ['', 'nothing'],
    ['hr_', 'the prefix alone'],
    [key.slice(0, -1), 'the last character missing'],
    [key.slice(0, -7), 'the checksum missing'],
    [key.slice(1), 'the first character missing'],
    [`${key}\n`, 'a newline after it'],
    [`${key} `, 'a space after it'],
    [` ${key}`, 'a space before it'],
    [`${key}${key}`, 'twice'],
    [`"${key}"`, 'in quotes'],
    [key.toUpperCase(), 'other case'],
    [key.replace('hr_', 'HR_'), 'another prefix'],
    [key.replace('hr_', 'gh_'), 'another prefix'],
    [key.replaceAll('_', '-'), 'other separators'],
    [`hr_${'é'.repeat(43)}_000000`, 'other letters'],
    [`hr_${'0'.repeat(43)}_000000`, 'zeros, but for the right checksum'],
    [`hr_${'0'.repeat(1e6)}_000000`, 'a megabyte'],
  ])('%#: $1', (text) => expect(isWellFormed(text)).toBe(false))

  test('a key with any other character at any one place', () => {
    fc.assert(
      fc.property(fc.nat({ max: key.length - 1 }), fc.constantFrom(...digits, '_', '-', ' ', '\n'), (at, other) => {
        fc.pre(key[at] !== other)
        expect(isWellFormed(key.slice(0, at) + other + key.slice(at + 1))).toBe(false)
      }),
      { numRuns: 2000 },
    )
  })

  test('a key with two neighbours exchanged', () => {
    for (let at = 0; at < key.length - 1; at++) {
      const exchanged = key.slice(0, at) + key[at + 1] + key[at] + key.slice(at + 2)
      expect(isWellFormed(exchanged), exchanged).toBe(exchanged === key)
    }
  })

  test('any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !isWellFormed(text) && !isWellFormed(`hr_${text}`)))
  })
})

test('what is stored of a key is an id that is no part of it, and its SHA-256', () => {
  const { key, id, hash } = makeApiKey()
  expect(id).toMatch(/^[0-9a-f]{8}$/)
  expect(hash).toEqual(createHash('sha256').update(key).digest())
  expect(hashOf(key)).toBe(hash.toString('base64'))
})
