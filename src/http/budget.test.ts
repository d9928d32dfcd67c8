import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkBudget } from './budget.ts'

const failure = (json: string, maxItems = 1000): string => {
  try {
    checkBudget(json, maxItems)
    return ''
  } catch (error) {
    return (error as Error).message
  }
}

test('JSON within the budget passes, however it is written', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.nat(3), (value, indent) => {
      expect(failure(JSON.stringify(value, null, indent))).toBe('')
    }),
  )
})

test('a repeated member is found wherever it is, and however it is escaped', () => {
  const escaped = (name: string) =>
    [...name]
      .map((char) => [...JSON.stringify(char).slice(1, -1)].join(''))
      .join('')
      .replace(/[a-z]$/, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), fc.string(), fc.boolean(), fc.nat(5), (value, name, isInList, depth) => {
      const inner = JSON.stringify(value)
      const twice = `{${JSON.stringify(name)}:${inner},"other than ${name.length}":${inner},"${escaped(name)}":${inner}}`
      const [before, after] = isInList ? ['[0,', ']'] : ['{"a":', '}']
      expect(failure(before.repeat(depth) + twice + after.repeat(depth))).toMatch(/must not occur twice/)
    }),
  )
})

test('depth and items are allowed up to the exact limit', () => {
  expect(failure(`${'['.repeat(32)}${']'.repeat(32)}`)).toBe('')
  expect(failure('{"a":'.repeat(33))).toMatch(/32 levels/)
  expect(failure(`[${'0,'.repeat(4)}0]`, 5)).toBe('')
  expect(failure(`{"a":[${'0,'.repeat(5)}0]}`, 5)).toBe('/a must have at most 5 items.')
  expect(failure('[[0,1],[0,1],[0,1]]', 3)).toBe('')
  expect(failure('"[{,:\\\\\\"" ,,,,,,', 3)).toBe('')
})

test('text that is not JSON never breaks it', () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'[]{}:,"\\a1') }), (text) => void failure(text, 3)))
})
