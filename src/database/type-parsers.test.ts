import pg from 'pg'
import { expect, test } from 'vitest'
import { typeParsers } from './type-parsers.ts'

test.each([
  ['2026-11-22 18:03:11.48+00', '2026-11-22T18:03:11.480Z'],
  ['2026-11-22 18:03:11+00', '2026-11-22T18:03:11.000Z'],
  ['2026-11-22 18:03:11.4829+00', '2026-11-22T18:03:11.482Z'],
  ['2026-11-22 10:03:11.48-08', '2026-11-22T18:03:11.480Z'],
  ['2026-11-23 02:33:11.482+08:30', '2026-11-22T18:03:11.482Z'],
])('the Postgres timestamp %s is returned as %s', (text, rfc3339) => {
  expect(typeParsers.getTypeParser(pg.types.builtins.TIMESTAMPTZ, 'text')(text)).toBe(rfc3339)
})
