import { Readable } from 'node:stream'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { copyOf, rowsOf } from './copy.ts'

const { db, database } = await startApi()

const numbers = [-(2 ** 31), -1, 0, 2 ** 31 - 1]
const texts = ['', 'x'.repeat(3000), 'é€😀', '\n"']
const times = [
  ['-infinity', '0001-01-01T00:00:00.000Z'],
  ['0001-01-01 00:00:00Z', '0001-01-01T00:00:00.000Z'],
  ['1712-02-29 23:59:59.999999Z', '1712-02-29T23:59:59.999Z'],
  ['1999-12-31 23:59:59.9996Z', '1999-12-31T23:59:59.999Z'],
  ['2000-01-01 00:00:00.001Z', '2000-01-01T00:00:00.001Z'],
  ['2026-11-26 06:12:47.123999Z', '2026-11-26T06:12:47.123Z'],
  ['9999-12-31 23:59:59.999999Z', '9999-12-31T23:59:59.999Z'],
  ['10000-01-01 00:00:00Z', '9999-12-31T23:59:59.999Z'],
  ['infinity', '9999-12-31T23:59:59.999Z'],
] as const

test.each([1, 2, 3, 7, 1000, 1_000_000])('rows that arrive in pieces of %i bytes are read as a whole', async (size) => {
  const written = times.map(([time], i) => ({ n: numbers[i % 4], text: texts[i % 4], time }))
  const query = db
    .selectFrom(
      sql<{ n: number; text: string; time: string }>`json_to_recordset(${JSON.stringify(written)})`.as<'written'>(
        sql`written (n int, text text, time timestamptz)`,
      ),
    )
    .selectAll()
  const sent = await Readable.from(database.copyOut(copyOf(query), new AbortController().signal)).toArray()
  async function* pieces() {
    const bytes = Buffer.concat(sent)
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }
  const read = []
  for await (const rows of rowsOf(pieces()))
    for (const row of rows)
      read.push([row.integer(0), Buffer.from(row.latin1(1), 'latin1').toString(), new Date(row.time(2)).toISOString()])
  expect(read).toEqual(times.map(([, time], i) => [numbers[i % 4], texts[i % 4], time]))
})
