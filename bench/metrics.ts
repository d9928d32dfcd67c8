// What one request pays for being measured: what it observes, many times over, in nanoseconds.
import { counter, histogram, metricsText } from '../src/metrics.ts'
import { median } from './pairs.ts'

const bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const requests = histogram('requests', 'By method, route and status.', bounds, 'method', 'route', 'status')
const [waits, statements, batches] = ['waits', 'statements', 'batches'].map((name) =>
  histogram(name, 'Looked up once.', bounds, 'pool').of('requests'),
) as [Series, Series, Series]
const problems = counter('problems', 'By code.', 'code')
type Series = ReturnType<typeof requests.of>

const routes = ['/api/v2/housing', '/api/v2/housing/:id', '/api/v2/housing-types', '/api/v1/housing/:postal_code', '/']
const times = 1_000_000

/** As in a lookup on a server; one in ten requests fails. */
function observeRequests(): number {
  const begun = performance.now()
  for (let i = 0; i < times; i++) {
    const route = routes[i % routes.length] as string
    let last = performance.now()
    waits.observe((performance.now() - last) / 1000)
    last = performance.now()
    statements.observe((performance.now() - last) / 1000)
    batches.observe(i & 15)
    requests.of('GET', route, i % 10 === 0 ? 404 : 200).observe((i & 127) / 10_000)
    if (i % 10 === 0) problems.of('not-found').add()
  }
  return ((performance.now() - begun) * 1e6) / times
}

const rounds = Array.from({ length: 15 }, observeRequests)
const [begun, text] = [performance.now(), metricsText()]
const scrape = performance.now() - begun
process.stdout.write(
  `a request pays ${median(rounds.slice(5)).toFixed(0)} ns (at most ${Math.max(...rounds.slice(5)).toFixed(0)}); ` +
    `a reading of ${text.length} bytes takes ${scrape.toFixed(1)} ms\n`,
)
