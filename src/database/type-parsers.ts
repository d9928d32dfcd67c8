import pg from 'pg'

const { TIMESTAMPTZ } = pg.types.builtins

/** Timestamps become RFC 3339 text, to the millisecond (sessions are in UTC); all other types as pg reads them. */
export const typeParsers: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format: 'text') =>
    oid === TIMESTAMPTZ ? rfc3339 : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
}

/** `2026-11-22 18:03:11.48+00` becomes `2026-11-22T18:03:11.480Z`. */
function rfc3339(text: string): string {
  // A pooler may have kept our time zone from the session.
  if (!text.endsWith('+00')) return new Date(text.replace(' ', 'T').replace(/[+-]\d\d$/, '$&:00')).toISOString()
  const millis = text.slice(20, text.length - 3).slice(0, 3)
  return `${text.slice(0, 10)}T${text.slice(11, 19)}.${millis.padEnd(3, '0')}Z`
}
