import { expect, test } from 'vitest'
import { missingTests, read, rowsOf, testsIn } from './support/titles.ts'

const paper = read('docs/faults.md')

test('each fault in docs/faults.md has an outcome, and tests that exist', () => {
  for (const [fault, outcome, tests = '', ...more] of rowsOf(paper, 'Fault')) {
    expect(outcome, fault).toMatch(/\w/)
    expect(testsIn(tests).length, fault).toBeGreaterThan(0)
    expect(more, fault).toEqual([])
  }
  expect(testsIn(paper).length).toBeGreaterThan(40)
  expect(missingTests(paper)).toEqual([])
})
