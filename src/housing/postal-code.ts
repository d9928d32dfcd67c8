import { Type } from 'typebox'

// Canada Post's alphabet: D F I O Q U never occur, W and Z not first.
const first = '[ABCEGHJ-NPRSTVXYabceghj-nprstvxy]'
const letter = '[ABCEGHJ-NPRSTV-Zabceghj-nprstv-z]'

const description =
  'A Canadian postal code, such as V8W 1P6, in upper or lower case, with or without spaces. ' +
  'The letters D, F, I, O, Q and U are never used, W and Z not at the start.'

/** What a client may send, with blanks anywhere. */
export const PostalCode = Type.String({
  pattern: `^ *${[first, '[0-9]', letter, '[0-9]', letter, '[0-9]'].join(' *')} *$`,
  maxLength: 50,
  description,
  examples: ['V8W 1P6'],
})

/** The spelling that is stored and answered: upper case, one blank. */
export function canonical(postalCode: string): string {
  const bare = postalCode.replaceAll(' ', '').toUpperCase()
  return `${bare.slice(0, 3)} ${bare.slice(3)}`
}
