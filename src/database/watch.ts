import type { Socket } from 'node:net'
import type pg from 'pg'
import type { ReliablePool } from './pool.ts'

/** How often the server is asked, in milliseconds, and after how many doubts in a row the connection counts as lost. */
const [interval, maxDoubts] = [5000, 3]

/**
 * Ends a connection without deadlines that waits for a statement the server is not working on, and gets nothing: after the
 * network drops silently it would wait forever. Returns the id of its process in Postgres, and a function that ends the
 * watch.
 */
export async function watchOver(
  client: pg.Client,
  probe: ReliablePool,
  every = interval,
): Promise<{ pid: number; endWatch: () => void }> {
  const query = { text: 'select pg_backend_pid() as pid', query_timeout: interval }
  const { pid } = (await client.query(query)).rows[0]
  let doubts = 0
  let received = socketOf(client).bytesRead
  const timer = setInterval(async () => {
    const isWaiting = !(client as pg.Client & { readyForQuery: boolean }).readyForQuery
    const isServed = await probe.ask(isActive, [pid]).then(
      ({ rows }) => rows.length === 1,
      () => false,
    )
    const { bytesRead } = socketOf(client)
    doubts = isWaiting && !isServed && bytesRead === received ? doubts + 1 : 0
    received = bytesRead
    if (doubts === maxDoubts) void client.end()
  }, every)
  return { pid, endWatch: () => clearInterval(timer) }
}

const isActive = "select pid from pg_stat_activity where pid = $1 and state = 'active'"

/** The socket of a connection to a server. */
export const socketOf = (client: pg.Client): Socket =>
  (client as unknown as { connection: { stream: Socket } }).connection.stream
