import { expect, test } from 'vitest'
import { missingTests, read, rowsOf, testsIn } from './support/titles.ts'

const paper = read('docs/asvs.md')
const rows = rowsOf(paper, 'Row')

test('each row is one requirement, of level 1 or 2, with what holds it or why nothing does', () => {
  for (const [name, level, asks, heldBy, ...more] of rows) {
    expect(name).toMatch(/^V\d+\.\d+\.\d+$/)
    expect(level, name).toMatch(/^[12]$/)
    expect(asks, name).toMatch(/\w/)
    expect(heldBy, name).toMatch(/`(src|test)\/.*\.test\.ts: |^\*\*(Document|Gateway|Operator|Issuer|Not held)\*\*/)
    expect(more, name).toEqual([])
  }
  const names = rows.map(([name]) => name)
  expect(names.filter((name, i) => names.indexOf(name) < i)).toEqual([])
})

test('each test that it names exists', () => {
  expect(testsIn(paper).length).toBeGreaterThan(100)
  expect(missingTests(paper)).toEqual([])
})
