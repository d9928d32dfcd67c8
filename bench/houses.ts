// A Postgres server for one measurement, with many houses in it.
import type { Client } from 'autocannon'
import { readConfig } from '../src/config/config.ts'
import { openDatabase } from '../src/database/open.ts'
import { bringUpOnce } from '../src/migrations/bring-up.ts'
import { readMigrations } from '../src/migrations/files.ts'
import { startPostgres } from '../test/support/postgres.ts'

/** The number of houses; every five share a postal code. */
export const count = 100_000

const areas = Array.from({ length: count / 5 }, (_, i) => i)
export const postalCode = (i: number) => {
  const letter = (n: number) => 'ABCEGHJKLM'[n % 10]
  return `V${i % 10}${letter(Math.floor(i / 10))} ${Math.floor(i / 100) % 10}${letter(Math.floor(i / 1000))}${Math.floor(i / 10_000)}`
}

/** Starts a server with the houses, as durable as Postgres is by default, and calls `use` with its URL. */
export async function withHouses(use: (url: string) => Promise<void>): Promise<void> {
  const { url, stop } = await startPostgres({ fsync: 'on' })
  try {
    const database = await openDatabase(readConfig({ DATABASE_URL: url }).database)
    await bringUpOnce(database, readMigrations())
    await database.withClient(async (client) => {
      await client.query(
        `insert into housing.housing (address, street, city, postal_code, housing_type_id)
        select n::text, 'Douglas Street', 'Victoria', postal_code, 1 + n % 4
        from generate_series(1, 5) n cross join unnest($1::text[]) postal_code order by n`,
        [areas.map(postalCode)],
      )
      await client.query('vacuum analyze housing.housing')
    })
    await database.close()
    await use(url)
  } finally {
    await stop()
  }
}

/** Each connection asks for its own random houses. */
export const asking = (path: (random: number) => string) => ({
  setupClient: (client: Client) =>
    client.setRequests(Array.from({ length: 500 }, () => ({ path: path(Math.floor(Math.random() * count)) }))),
})
