/** With one of these at its start, a text is a formula to a spreadsheet. */
export const formulas = ['=', '+', '-', '@', '\t', '\r', '\n']
