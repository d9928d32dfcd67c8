import { expect, test } from 'vitest'
import { checker } from './json-schema.ts'
import { isVisible, Text } from './text.ts'

const { pattern } = Text('Any', 'x') as unknown as { pattern: string }
const isText = checker(Text('Any', 'x'))

test('a text needs a visible character, and any one is enough', () => {
  const nothing = /[\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cf}\u2800\p{Cc}\p{Cs}]/u
  for (let point = 0; point <= 0x10ffff; point++) {
    const character = String.fromCodePoint(point)
    if (isText(character) === nothing.test(character)) expect.fail(`U+${point.toString(16)}`)
  }
})

test('the pattern means the same to regular expressions that know only UTF-16', () => {
  const [unicode, plain] = [new RegExp(pattern, 'u'), new RegExp(pattern)]
  for (let point = 0; point <= 0xffff; point++)
    for (const text of [String.fromCharCode(point), `\u3000${String.fromCharCode(point)} `])
      if (unicode.test(text) !== plain.test(text)) expect.fail(`U+${point.toString(16)}`)
})

test('the format adds what the pattern cannot say, and does not report the same twice', () => {
  for (const [text, ofPattern, ofFormat] of [
    ['\u3164', false, true],
    ['', false, true],
    ['\u{e0001}', true, false],
    ['\u00a0\u{e0001}', true, false],
    ['a\ud800', true, false],
    ['a\u{e0001}', true, true],
  ] as const) {
    expect(new RegExp(pattern, 'u').test(text), JSON.stringify(text)).toBe(ofPattern)
    expect(isVisible(text), JSON.stringify(text)).toBe(ofFormat)
  }
})
