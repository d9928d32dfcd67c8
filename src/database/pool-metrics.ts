import type pg from 'pg'
import { gauge, histogram } from '../metrics.ts'

const pool = 'db_client_connection_pool_name'
const state = 'db_client_connection_state'
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

// OpenTelemetry's db.client.connection.count: Prometheus keeps names that end in _count for histograms.
const connections = gauge('db_client_connections', 'Connections of a pool, by what they do.', pool, state)
const most = gauge('db_client_connection_max', 'The most connections of a pool.', pool)
const pending = gauge('db_client_connection_pending_requests', 'Callers that wait for a connection.', pool)
const waits = histogram(
  'db_client_connection_wait_time_seconds',
  'How long callers waited for a connection.',
  seconds,
  pool,
)
const operations = histogram('db_client_operation_duration_seconds', 'How long statements took.', seconds, pool)

/** Measures a pool, until `end`. */
export function measured(of: pg.Pool, name: string) {
  const ends = [
    connections.from(() => [
      [of.idleCount, name, 'idle'],
      [of.totalCount - of.idleCount, name, 'used'],
    ]),
    most.from(() => [[of.options.max, name]]),
    pending.from(() => [[of.waitingCount, name]]),
  ]
  return {
    wait: waits.of(name),
    operation: operations.of(name),
    end() {
      for (const end of ends) end()
    },
  }
}
