import pg from 'pg'
import { expect, test } from 'vitest'
import { UnreadableValue } from './errors.ts'
import { typeParsers } from './type-parsers.ts'

test.each([
  ['2026-11-22 18:03:11.48+00', '2026-11-22T18:03:11.480Z'],
  ['2026-11-22 18:03:11+00', '2026-11-22T18:03:11.000Z'],
  ['2026-11-22 18:03:11.4829+00', '2026-11-22T18:03:11.482Z'],
  ['2026-11-22 10:03:11.48-08', '2026-11-22T18:03:11.480Z'],
  ['2026-11-23 02:33:11.482+08:30', '2026-11-22T18:03:11.482Z'],
  ['0001-01-01 00:00:00+00', '0001-01-01T00:00:00.000Z'],
  ['0001-12-31 23:59:59.999+00 BC', '0001-01-01T00:00:00.000Z'],
  ['4714-11-24 00:00:00+00 BC', '0001-01-01T00:00:00.000Z'],
  ['-infinity', '0001-01-01T00:00:00.000Z'],
  ['9999-12-31 23:59:59.999+00', '9999-12-31T23:59:59.999Z'],
  ['10000-01-01 00:00:00+00', '9999-12-31T23:59:59.999Z'],
  ['294276-12-31 23:59:59.999+00', '9999-12-31T23:59:59.999Z'],
  ['infinity', '9999-12-31T23:59:59.999Z'],
])('the Postgres timestamp %s is returned as %s', (text, rfc3339) => {
  expect(typeParsers.getTypeParser(pg.types.builtins.TIMESTAMPTZ, 'text')(text)).toBe(rfc3339)
})

test('a value that cannot be read does not count as a lost connection', () => {
  const parse = typeParsers.getTypeParser(pg.types.builtins.JSON, 'text')
  expect(parse('{"a":1}')).toEqual({ a: 1 })
  expect(() => parse('{')).toThrow(UnreadableValue)
})
