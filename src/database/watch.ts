import type pg from 'pg'
import type { ReliablePool } from './pool.ts'

/** How often the server is asked, in milliseconds, and how many answers in a row must say that the connection is lost. */
const [interval, patience] = [5000, 3]

/**
 * Ends a connection without deadlines where the server does not work on what it waits for: it would wait for ever if the
 * network to it fell silent. Returns a function that ends the watch.
 */
export async function watchOver(client: pg.Client, probe: ReliablePool): Promise<() => void> {
  const look = { text: 'select pg_backend_pid() as pid', query_timeout: interval }
  const { pid } = (await client.query(look)).rows[0]
  let doubts = 0
  const timer = setInterval(async () => {
    const isWaiting = !(client as pg.Client & { readyForQuery: boolean }).readyForQuery
    const isServed = await probe.ask(isActive, [pid]).then(
      ({ rows }) => rows.length === 1,
      () => false,
    )
    doubts = isWaiting && !isServed ? doubts + 1 : 0
    if (doubts === patience) void client.end()
  }, interval)
  return () => clearInterval(timer)
}

const isActive = "select pid from pg_stat_activity where pid = $1 and state = 'active'"
