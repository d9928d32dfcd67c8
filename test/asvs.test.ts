import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { expect, test } from 'vitest'

const read = (file: string) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8')
const paper = read('docs/asvs.md')

/** The cells of each line of its tables, without their heads. */
const rows = paper
  .split('\n')
  .filter((line) => /^\|(?! Row |---)/.test(line))
  .map((line) => line.slice(2, -2).split(' | '))

/** The full titles of the tests in a file, with `>` between groups; where they have parameters, the templates. */
function titlesIn(file: string): string[] {
  const titles: string[] = []
  const visit = (node: ts.Node, groups: string[]) => {
    const [title, ...others] = ts.isCallExpression(node) ? node.arguments : []
    const [, kind] = /^(test|describe)\b(?!\.(skip|todo)\()/.exec(node.getText()) ?? []
    if (kind === undefined || title === undefined || !ts.isStringLiteralLike(title)) {
      ts.forEachChild(node, (child) => visit(child, groups))
    } else if (kind === 'test') titles.push([...groups, title.text].join(' > '))
    else for (const other of others) visit(other, [...groups, title.text])
  }
  visit(ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true), [])
  return titles
}

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
  const named = [...paper.matchAll(/`((?:src|test)\/[^`]*\.test\.ts): ([^`]*)`/g)]
  expect(named.length).toBeGreaterThan(100)
  const titles = new Map([...new Set(named.map(([, file = '']) => file))].map((file) => [file, titlesIn(file)]))
  expect(named.filter(([, file = '', title = '']) => !titles.get(file)?.includes(title)).map(([all]) => all)).toEqual(
    [],
  )
})
