import { Type } from 'typebox'

// Canada Post's alphabet: D F I O Q U never occur, W and Z not first.
const first = '[ABCEGHJ-NPRSTVXYabceghj-nprstvxy]'
const letter = '[ABCEGHJ-NPRSTV-Zabceghj-nprstv-z]'

const blank =
  '[ \\u00A0\\u00AD\\u1680\\u2000-\\u200B\\u2010-\\u2015\\u202F\\u205F\\u2060\\u2212\\u3000\\uFE58\\uFE63\\uFEFF\\uFF0D-]'

/** What may stand anywhere in a postal code as it is sent: spaces and hyphens, also those of word processors. */
export const blanks = `${blank}*`

const description =
  'A Canadian postal code, such as V8W 1P6, in upper or lower case, with or without spaces or hyphens of any kind. ' +
  'The letters D, F, I, O, Q and U are never used, W and Z not at the start.'

/** What a client may send, with blanks anywhere. */
export const PostalCode = Type.String({
  pattern: `^${blanks}${first}(${blanks}[0-9]${blanks}${letter}){2}${blanks}[0-9]${blanks}$`,
  maxLength: 50,
  description,
  examples: ['V8W 1P6'],
})

const everyBlank = new RegExp(blank, 'g')

/** The spelling that is stored and answered: upper case, one blank. */
export function canonical(postalCode: string): string {
  const bare = postalCode.replace(everyBlank, '').toUpperCase()
  return `${bare.slice(0, 3)} ${bare.slice(3)}`
}
