import { Type } from 'typebox'

// Control characters, and characters that change the direction of text.
const forbidden = '\\u0000-\\u001F\\u007F-\\u009F\\u061C\\u200E\\u200F\\u202A-\\u202E\\u2066-\\u2069'

/** A line of text as clients send it: 1 to `max` characters (code points), not counting spaces at the ends. */
export const Text = (what: string, example: string, max = 50) =>
  Type.String({
    format: 'well-formed',
    pattern: `^ *[^ ${forbidden}]([^${forbidden}]{0,${max - 2}}[^ ${forbidden}])? *$`,
    description: `${what}: 1 to ${max} characters, not counting spaces at the ends; no control characters.`,
    examples: [example],
  })

/** The text as it is stored. */
export const trimmed = (text: string): string => text.replace(/^ +| +$/g, '')
