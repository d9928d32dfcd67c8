import { expect, test } from 'vitest'
import { counter, gauge, histogram, metricsText, readCounter } from './metrics.ts'

/** The lines about these metrics. */
const textOf = (name: string) =>
  metricsText()
    .split('\n')
    .filter((line) => line.replace(/^# \w+ /, '').startsWith(name))

test('a counter without labels begins at 0; one with labels has a line for each', () => {
  const plain = counter('test_plain_total', 'Plain.')
  const labelled = counter('test_labelled_total', 'Labelled.', 'a', 'b')
  expect(textOf('test_plain')).toEqual([
    '# HELP test_plain_total Plain.',
    '# TYPE test_plain_total counter',
    'test_plain_total 0',
  ])
  plain.of().add()
  plain.of().add(2.5)
  labelled.of('x', 1).add()
  labelled.of('x', 1).add()
  labelled.of('x', 2).add()
  labelled.of('constructor', '__proto__').add()
  labelled.of('"\\\n', '').add()
  expect(textOf('test_plain').at(-1)).toBe('test_plain_total 3.5')
  expect(textOf('test_labelled').slice(2)).toEqual([
    'test_labelled_total{a="x",b="1"} 2',
    'test_labelled_total{a="x",b="2"} 1',
    'test_labelled_total{a="constructor",b="__proto__"} 1',
    'test_labelled_total{a="\\"\\\\\\n",b=""} 1',
  ])
})

test('the buckets of a histogram include those before them, and their bounds', () => {
  const { of } = histogram('test_seconds', 'Times.', [0.1, 1], 'kind')
  for (const value of [0, 0.1, 0.5, 1, 7]) of('k').observe(value)
  expect(textOf('test_seconds').slice(1)).toEqual([
    '# TYPE test_seconds histogram',
    'test_seconds_bucket{kind="k",le="0.1"} 2',
    'test_seconds_bucket{kind="k",le="1"} 4',
    'test_seconds_bucket{kind="k",le="+Inf"} 5',
    'test_seconds_sum{kind="k"} 8.6',
    'test_seconds_count{kind="k"} 5',
  ])
})

test('a gauge adds up what its sources say, until they end', () => {
  const { from } = gauge('test_gauge', 'Sources.', 'of')
  const ends = [
    from(() => [[1, 'a']]),
    from(() => [
      [2, 'a'],
      [Number.POSITIVE_INFINITY, 'b'],
    ]),
  ]
  expect(textOf('test_gauge').slice(2)).toEqual(['test_gauge{of="a"} 3', 'test_gauge{of="b"} +Inf'])
  ends[1]?.()
  expect(textOf('test_gauge').slice(2)).toEqual(['test_gauge{of="a"} 1'])
  ends[0]?.()
  expect(textOf('test_gauge').slice(2)).toEqual([])
  readCounter('test_read_total', 'Read.').from(() => [[4]])
  expect(textOf('test_read').slice(1)).toEqual(['# TYPE test_read_total counter', 'test_read_total 4'])
})
