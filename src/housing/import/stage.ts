import type { Database } from '../../database/tables.ts'
import { csvRows } from './csv.ts'
import { ndjsonRows } from './ndjson.ts'
import { invalidFile } from './problems.ts'
import { beginImport, deleteImport, stageChunk } from './queries.ts'
import { checked, type Row } from './rows.ts'
import { utf8 } from './text.ts'
import type { InTurn } from './turns.ts'

/**
 * The most rows of a chunk, and about the most characters: V8 keeps a string of more than 128 KiB until the next full garbage
 * collection.
 */
const [maxRows, maxLength] = [1000, 120_000]

/** A file to import, or the array of a body. */
export type Source = { type: 'csv' | 'ndjson'; bytes: AsyncIterable<Buffer> } | { type: 'json'; items: unknown[] }

/**
 * Checks the rows of a file and stores them, to be applied later. Memory holds one chunk at a time. Rejects if it is not
 * such a file, or has no rows; nothing is left of it then.
 */
export async function stage(
  db: Database,
  source: Source,
  { caller, inTurn }: { caller: string; inTurn: InTurn },
): Promise<string> {
  let id: string | undefined
  try {
    let n = 0
    for await (const { columns, rows } of chunksOf(source)) {
      id ??= await inTurn(() => beginImport(db, { caller, columns }))
      const chunk = { id, n, rows }
      await inTurn(() => stageChunk(db, chunk))
      n += 1
    }
  } catch (error) {
    if (id) await deleteImport(db, id).catch(() => {}) // it expires
    throw error
  }
  if (!id) throw invalidFile({ line: 1 }, 'empty', 'The file has no rows.')
  return id
}

interface Chunk {
  /** Of CSV. Rows of JSON have members of their own, and no columns. */
  columns: string[]
  /** Rows, as a JSON array. */
  rows: string
}

async function* chunksOf(source: Source): AsyncGenerator<Chunk> {
  let rows: string[] = []
  let length = 0
  let columns: string[] = []
  const chunk = () => ({ columns, rows: `[${rows.join()}]` })
  for await (const found of rowsOf(source)) {
    columns = found.columns
    const row = JSON.stringify(found.row)
    rows.push(row)
    length += row.length
    if (rows.length < maxRows && length < maxLength) continue
    yield chunk()
    rows = []
    length = 0
  }
  if (rows.length > 0) yield chunk()
}

/** The rows, and the columns that a report on them repeats. */
async function* rowsOf(source: Source): AsyncGenerator<{ columns: string[]; row: Row }> {
  if (source.type === 'json')
    for (const [i, item] of source.items.entries()) yield { columns: [], row: checked(i + 1, item) }
  else if (source.type === 'ndjson')
    for await (const { line, value } of ndjsonRows(utf8(source.bytes))) yield { columns: [], row: checked(line, value) }
  else
    for await (const { line, columns, members } of csvRows(utf8(source.bytes)))
      yield { columns, row: checked(line, members) }
}
