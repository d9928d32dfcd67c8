import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checker } from '../contract/json-schema.ts'
import { canonical, PostalCode } from './postal-code.ts'

const isPostalCode = checker(PostalCode)

test.each([
  ['V8W 1P6', 'V8W 1P6'],
  ['v8w1p6', 'V8W 1P6'],
  [' v8W  1p6 ', 'V8W 1P6'],
  ['V 8 W 1 P 6', 'V8W 1P6'],
  ['k1a0b1', 'K1A 0B1'],
  ['V8W-1P6', 'V8W 1P6'],
  ['V8W\u00a01P6\u00a0', 'V8W 1P6'],
])('%j is stored as %s', (sent, stored) => {
  expect(isPostalCode(sent)).toBe(true)
  expect(canonical(sent)).toBe(stored)
})

test.each([
  '',
  ' ',
  'V8W',
  'V8W 1P',
  'V8W 1P66',
  'V8W_1P6',
  'V8W.1P6',
  '-',
  '\u00a0',
  'V8W\t1P6',
  '8VW 1P6',
  'V8W 1P6\n',
  'Ṽ8W 1P6',
  'V８W 1P6',
])('%j is not a postal code', (sent) => expect(isPostalCode(sent)).toBe(false))

test('spaces and hyphens of any kind may stand anywhere', () => {
  for (const blank of ' \u00a0\u1680\u2002\u2003\u2007\u2009\u200a\u200b\u202f\u205f\u2060\u3000\ufeff-\u00ad‐‑‒–—―−﹘﹣-')
    for (const sent of [`v8w${blank}1p6`, [...`${blank}v8w1p6`, ''].join(blank + blank)]) {
      expect(isPostalCode(sent), JSON.stringify(sent)).toBe(true)
      expect(canonical(sent)).toBe('V8W 1P6')
    }
})

test('D, F, I, O, Q and U occur nowhere, W and Z not at the start', () => {
  for (const letter of 'DFIOQU')
    for (const code of [`${letter}1A 1A1`, `A1${letter} 1A1`, `A1A 1${letter}1`]) expect(isPostalCode(code)).toBe(false)
  for (const letter of 'WZ') {
    expect(isPostalCode(`${letter}1A 1A1`)).toBe(false)
    expect(isPostalCode(`A1${letter} 1${letter}1`)).toBe(true)
  }
})

test('the stored spelling does not depend on case or blanks, and does not change if stored again', () => {
  const spelling = fc.tuple(
    fc.stringMatching(/^[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] \d[ABCEGHJ-NPRSTV-Z]\d$/),
    fc.array(fc.nat(7), { maxLength: 5 }),
    fc.boolean(),
  )
  fc.assert(
    fc.property(spelling, ([code, blanks, lower]) => {
      const spread = blanks.reduce((text, at) => `${text.slice(0, at)} ${text.slice(at)}`, code)
      expect(canonical(lower ? spread.toLowerCase() : spread)).toBe(code)
    }),
  )
})
