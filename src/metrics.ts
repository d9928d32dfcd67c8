// What the process counts and measures, for Prometheus, by OpenTelemetry's names where it has one. A series is an array of
// numbers that is looked up by its labels, because the usual libraries take microseconds for each observation.

type Label = string | number
type Labels<Names extends readonly string[]> = { [Position in keyof Names]: Label }

interface Family {
  name: string
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  lines: () => string[]
}
const families: Family[] = []

/** Everything that is declared, in Prometheus' text format. */
export const metricsText = (): string =>
  families
    .map(({ name, type, help, lines }) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines().join('')}`)
    .join('')

/** The series of a family by the values of its labels: maps in maps, as a key that is made of them would cost more. */
class SeriesOf<Series> {
  readonly all: { labels: string; series: Series }[] = []
  readonly #names: readonly string[]
  readonly #make: () => Series
  readonly #root = new Map<Label, unknown>()

  constructor(names: readonly string[], make: () => Series) {
    this.#names = names
    this.#make = make
  }

  /** The series with these values, which begins with its first use. */
  find(values: readonly Label[]): Series {
    let map = this.#root
    const last = values.length - 1
    for (let i = 0; i < last; i++) {
      const value = values[i] as Label
      let next = map.get(value) as Map<Label, unknown> | undefined
      if (!next) {
        next = new Map()
        map.set(value, next)
      }
      map = next
    }
    const key = values[last] ?? ''
    return (map.get(key) as Series | undefined) ?? this.#begin(map, key, values)
  }

  #begin(map: Map<Label, unknown>, key: Label, values: readonly Label[]): Series {
    const series = this.#make()
    map.set(key, series)
    this.all.push({ labels: labelsOf(this.#names, values), series })
    return series
  }
}

const labelsOf = (names: readonly string[], values: readonly Label[]) =>
  names.map((name, i) => `${name}="${String(values[i]).replace(/[\\"\n]/g, escaped)}"`).join()

const escaped = (character: string) => (character === '\n' ? '\\n' : `\\${character}`)

const line = (name: string, labels: string, value: number) =>
  `${name}${labels && `{${labels}}`} ${value === Number.POSITIVE_INFINITY ? '+Inf' : value}\n`

class Count {
  value = 0
  add(count = 1): void {
    this.value += count
  }
}

/** Declares what only grows; its name ends in `_total`. A count with labels is there from its first use on. */
export function counter<const Names extends readonly string[]>(name: string, help: string, ...names: Names) {
  const counts = new SeriesOf(names, () => new Count())
  if (names.length === 0) counts.find([])
  families.push({
    name,
    type: 'counter',
    help,
    lines: () => counts.all.map(({ labels, series }) => line(name, labels, series.value)),
  })
  return { of: (...values: Labels<Names>): Count => counts.find(values) }
}

class Distribution {
  sum = 0
  readonly counts: number[]
  readonly #bounds: readonly number[]

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.counts = [...bounds, 0].fill(0)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let i = 0
    while (i < bounds.length && value > (bounds[i] as number)) i++
    ;(this.counts[i] as number) += 1
    this.sum += value
  }
}

/** Declares a histogram whose buckets end at these bounds. */
export function histogram<const Names extends readonly string[]>(
  name: string,
  help: string,
  bounds: readonly number[],
  ...names: Names
) {
  const distributions = new SeriesOf(names, () => new Distribution(bounds))
  if (names.length === 0) distributions.find([])
  families.push({
    name,
    type: 'histogram',
    help,
    lines: () => distributions.all.flatMap(({ labels, series }) => histogramLines(name, labels, bounds, series)),
  })
  return { of: (...values: Labels<Names>): Distribution => distributions.find(values) }
}

function histogramLines(name: string, labels: string, bounds: readonly number[], { counts, sum }: Distribution) {
  let total = 0
  const buckets = counts.map((count, i) => {
    total += count
    return line(`${name}_bucket`, `${labels && `${labels},`}le="${bounds[i] ?? '+Inf'}"`, total)
  })
  return [...buckets, line(`${name}_sum`, labels, sum), line(`${name}_count`, labels, total)]
}

type Reading = readonly [value: number, ...labels: Label[]]

/**
 * Declares what is read when somebody asks. Each `from` adds a source, until the function that it returns is called;
 * readings with the same labels are added up.
 */
export function gauge(name: string, help: string, ...names: string[]) {
  return read('gauge', name, help, names)
}

/** The same for what only grows and is counted elsewhere. */
export function readCounter(name: string, help: string, ...names: string[]) {
  return read('counter', name, help, names)
}

function read(type: 'gauge' | 'counter', name: string, help: string, names: string[]) {
  const sources = new Set<() => Reading[]>()
  const lines = () => {
    const sums = new Map<string, number>()
    for (const [value, ...labels] of [...sources].flatMap((source) => source())) {
      const key = labelsOf(names, labels)
      sums.set(key, (sums.get(key) ?? 0) + value)
    }
    return [...sums].map(([labels, value]) => line(name, labels, value))
  }
  families.push({ name, type, help, lines })
  return {
    from(source: () => Reading[]): () => void {
      sources.add(source)
      return () => void sources.delete(source)
    },
  }
}

/** Requests that were answered with a 503 at once, because of the load. */
export const shed = counter(
  'sample_api_requests_shed_total',
  'Requests rejected because of the load, by what was full.',
  'reason',
)
for (const reason of ['requests', 'database', 'transfers']) shed.of(reason)
