import { createServer, type Server } from 'node:http'
import { monitorEventLoopDelay, performance } from 'node:perf_hooks'
import { gauge, metricsText, readCounter } from '../metrics.ts'
import { version } from '../version.ts'
import type { Health } from './health.ts'

/** A server for `/metrics` alone: it answers within a second whatever the database does, and does not keep the process alive. */
export function metricsServer(findHealth: () => Promise<Health>): Server {
  let isReady = false
  measureProcess(() => isReady)
  const server = createServer({ requestTimeout: 9000, connectionsCheckingInterval: 500 }, async (request, response) => {
    const isFound = /^\/metrics(\?|$)/.test(request.url ?? '')
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    if (!isFound || !isRead) return response.writeHead(isFound ? 405 : 404, isFound ? { allow: 'GET, HEAD' } : {}).end()
    isReady = await findHealth().then(
      ({ ok }) => ok,
      () => false,
    )
    response.writeHead(200, {
      'content-type': 'text/plain; version=0.0.4; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    })
    return response.end(metricsText())
  })
  return server.unref()
}

const build = gauge(
  'sample_api_build_info',
  'The release, and the Node that runs it; always 1.',
  'version',
  'node_version',
)
const ready = gauge('sample_api_ready', 'Whether /readyz is 200: 1 or 0.')
const cpu = readCounter('process_cpu_time_seconds_total', 'Processor time of the process.', 'cpu_mode')
const memory = gauge('process_memory_usage_bytes', 'Resident memory of the process.')
const heap = gauge('v8js_memory_heap_used_bytes', 'What JavaScript uses of it.')
const uptime = gauge('process_uptime_seconds', 'How long the process has run.')
const delay = gauge(
  'nodejs_eventloop_delay_p99_seconds',
  'How late the event loop was since the last reading: of a hundred times, all but one were sooner.',
)
const delayMax = gauge(
  'nodejs_eventloop_delay_max_seconds',
  'The latest that the event loop was since the last reading.',
)
const utilization = gauge(
  'nodejs_eventloop_utilization_ratio',
  'How much of the time since the start the event loop was busy.',
)

/** Measures the process from now on. */
function measureProcess(isReady: () => boolean): void {
  build.from(() => [[1, version, process.version]])
  ready.from(() => [[isReady() ? 1 : 0]])
  cpu.from(() => {
    const { user, system } = process.cpuUsage()
    return [
      [user / 1e6, 'user'],
      [system / 1e6, 'system'],
    ]
  })
  memory.from(() => [[process.memoryUsage.rss()]])
  heap.from(() => [[process.memoryUsage().heapUsed]])
  uptime.from(() => [[process.uptime()]])
  const loop = monitorEventLoopDelay({ resolution })
  loop.enable()
  delay.from(() => [[late(loop.percentile(99))]])
  delayMax.from(() => {
    const max = late(loop.max)
    loop.reset() // the last reading of the two
    return [[max]]
  })
  utilization.from(() => [[performance.eventLoopUtilization().utilization]])
}

/** How often the event loop is looked at, in milliseconds. */
const resolution = 20

/** What the histogram has includes the time until the next look, in nanoseconds. Before the first look it has nothing. */
const late = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - resolution / 1000) || 0
