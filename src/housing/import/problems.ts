import { kindsOf } from '../../contract/problem-kinds.ts'
import { Problem } from '../../contract/problems.ts'

export const importKinds = kindsOf({
  'invalid-file': [
    422,
    'The file cannot be read',
    'The body is not the file that its `Content-Type` says, or breaks a limit: `detail` says where and why. A file is in UTF-8; CSV has a header with the names of its columns, and every line has as many cells. Nothing was stored.',
  ],
  'rows-rejected': [
    422,
    'Rows were rejected',
    'Some rows are wrong, and with `on_error=abort` an import stores all rows or none: nothing was stored. `errors` lists the first 1,000 faults, each with its line; `rejected` counts all rows that have some. With `Accept: application/x-ndjson`, or `text/csv` if the file is CSV, the answer is the rejected rows themselves.',
  ],
  'import-incomplete': [
    503,
    'The import stopped halfway',
    'On the embedded database, an import with `on_error=skip` stores up to a thousand rows at a time, and it failed after some of them. They stay: `received` counts the rows so far, `created` and `updated` what they did, and `errors` lists what was wrong with them. `detail` says why it stopped, and after which line to go on. Where it says that an outcome is unknown, up to a thousand rows after that line may be stored too.',
  ],
})

/** Where a file cannot be read: lines and columns count from 1, columns in characters. */
export interface Place {
  line: number
  column?: number
}

/** A file that cannot be read. `what` is the rest of the sentence. */
export function invalidFile({ line, column }: Place, code: string, what: string): Problem {
  const place = { line, ...(column !== undefined && { column }) }
  const where = `Line ${line}${column === undefined ? '' : `, column ${column}`}`
  return new Problem(importKinds['invalid-file'], `${where}: ${what}`, { errors: [{ ...place, code, detail: what }] })
}
