import pg from 'pg'
import { UnreadableValue } from './errors.ts'

const { TIMESTAMPTZ } = pg.types.builtins

type Parser = (text: string) => unknown
const parsers = new Map<string, Parser>()

/**
 * Timestamps become RFC 3339 text, to the millisecond (sessions are in UTC); all other types as pg reads them. A parser
 * that fails throws an {@link UnreadableValue}, as pg would let its error pass for a lost connection.
 */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text') => {
    const key = `${oid} ${format}`
    const known = parsers.get(key)
    if (known) return known
    const parser = guarded(oid === TIMESTAMPTZ ? rfc3339 : pg.types.getTypeParser(oid, format))
    parsers.set(key, parser)
    return parser
  }) as typeof pg.types.getTypeParser,
}

const guarded =
  (parse: Parser): Parser =>
  (text) => {
    try {
      return parse(text)
    } catch (error) {
      throw new UnreadableValue(error)
    }
  }

/**
 * `2026-11-22 18:03:11.48+00` becomes `2026-11-22T18:03:11.480Z`. RFC 3339 has neither infinity nor other years than
 * 0000 to 9999: a time outside the years 1 to 9999 becomes the first or the last instant of them.
 */
function rfc3339(text: string): string {
  if (text.charCodeAt(4) !== hyphen || text.endsWith('BC'))
    return text.startsWith('-') || text.endsWith('BC') ? firstTime : lastTime
  // Behind a transaction pooler, another client may have set the time zone of the session.
  if (!text.endsWith('+00')) return new Date(text.replace(' ', 'T').replace(/[+-]\d\d$/, '$&:00')).toISOString()
  const millis = text.slice(20, text.length - 3).slice(0, 3)
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${millis.padEnd(3, '0')}Z`
}

const hyphen = '-'.charCodeAt(0)
export const firstTime = '0001-01-01T00:00:00.000Z'
export const lastTime = '9999-12-31T23:59:59.999Z'
