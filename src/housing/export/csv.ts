/** With one of these at its start, behind any apostrophes, a text is a formula to a spreadsheet. */
const formula = /^'*[=+\-@\t\r\n]/

/** What an export puts before a text that begins with a formula: an apostrophe, which an import takes away again. */
export const isFormula = (text: string): boolean => formula.test(text)

/** A line of CSV whose cells no spreadsheet runs as formulas. A value that is missing becomes an empty cell. */
export const csvLine = (values: unknown[]): string =>
  `${values.map((value) => (value === undefined ? '' : csvCell(typeof value === 'string' ? value : JSON.stringify(value)))).join()}\n`

export function csvCell(text: string): string {
  const safe = isFormula(text) ? `'${text}` : text
  return /[",\r\n]|^$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
