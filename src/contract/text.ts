import { Type } from 'typebox'

// Control characters, and characters that change the direction of text.
const forbidden = '\\u0000-\\u001F\\u007F-\\u009F\\u061C\\u200E\\u200F\\u202A-\\u202E\\u2066-\\u2069'

// What shows nothing: White_Space, Default_Ignorable_Code_Point and Cf of Unicode, and the blank of Braille. Only up to
// U+FFFF, because other languages write the rest differently in a pattern.
const blanks = [
  ' \\u00A0\\u00AD\\u034F\\u0600-\\u0605\\u061C\\u06DD\\u070F\\u0890-\\u0891\\u08E2\\u115F-\\u1160\\u1680\\u17B4-\\u17B5',
  '\\u180B-\\u180F\\u2000-\\u200F\\u2028-\\u202F\\u205F-\\u206F\\u2800\\u3000\\u3164\\uFE00-\\uFE0F\\uFEFF\\uFFA0\\uFFF0-\\uFFFB',
].join('')

const patternOf = (max: number) =>
  `^(?![${blanks}]*$) *[^ ${forbidden}]([^${forbidden}]{0,${max - 2}}[^ ${forbidden}])? *$`

/** A line of text as clients send it: 1 to `max` characters (code points), not counting spaces at the ends. */
export const Text = (what: string, example?: string, max = 50) =>
  Type.String({
    format: 'visible',
    pattern: patternOf(max),
    description:
      `${what}: 1 to ${max} characters, not counting spaces at the ends. ` +
      'It must show something, and have no control characters.',
    ...(example !== undefined && { examples: [example] }),
  })

/** Only blanks, at least one of them beyond U+FFFF. */
const blanksBeyond = /^(?=.*[\u{10000}-\u{10FFFF}])[\p{White_Space}\p{Default_Ignorable_Code_Point}\p{Cf}\u2800]*$/u

/** What the pattern of a text cannot rule out: lone surrogates, and nothing but blanks with some beyond U+FFFF. */
export const isVisible = (text: string): boolean => text.isWellFormed() && !blanksBeyond.test(text)

/** Whether it is a line as {@link Text} describes it. */
export const isText = (text: string, max: number): boolean =>
  new RegExp(patternOf(max), 'u').test(text) && isVisible(text)

/** The text as it is stored. */
export const trimmed = (text: string): string => text.replace(/^ +| +$/g, '')
