import { readFileSync } from 'node:fs'
import ts from 'typescript'

/** The text of a file of the checkout. */
export const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')

/** The cells of each line of the tables in a paper, without their heads, of which the first cell is `head`. */
export const rowsOf = (paper: string, head: string) =>
  paper
    .split('\n')
    .filter((line) => line.startsWith('|') && !line.startsWith('|---') && !line.startsWith(`| ${head} `))
    .map((line) => line.slice(2, -2).split(' | '))

/** The tests that a text names, as `file: title`, of which there is none. */
export function missingTests(text: string): string[] {
  const named = testsIn(text)
  const titles = new Map([...new Set(named.map(({ file }) => file))].map((file) => [file, titlesIn(file)]))
  return named
    .filter(({ file, title }) => !titles.get(file)?.includes(title))
    .map(({ file, title }) => `${file}: ${title}`)
}

/** The tests that a text names: a file and the full title of a test, in backticks. */
export const testsIn = (text: string) =>
  [...text.matchAll(/`((?:src|test)\/[^`]*\.test\.ts): ([^`]*)`/g)].map(([, file = '', title = '']) => ({
    file,
    title,
  }))

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
