/** With one of these at its start, a text is a formula to a spreadsheet. */
export const formulas = ['=', '+', '-', '@', '\t', '\r', '\n']

/** Whether an export puts an apostrophe before a text: before a formula, and before one that has apostrophes already. */
export const isFormula = (text: string): boolean => formulas.includes(text.replace(/^'+/, '').charAt(0))
