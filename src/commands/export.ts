import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import type { Config } from '../config/config.ts'
import { progress } from './progress.ts'
import { reachApi } from './reach.ts'
import { say } from './say.ts'

interface Options {
  url?: string
  format?: string
  /** Filters and order, by the names of the options. */
  filters: Record<string, string>
}

/** Writes the houses that match to a file, which appears once it is complete, or to stdout. */
export async function exportFile(
  config: Config,
  file: string | undefined,
  { url, format, filters }: Options,
): Promise<void> {
  const query = new URLSearchParams({ format: format ?? (/\.(ndjson|jsonl)$/i.test(file ?? '') ? 'ndjson' : 'csv') })
  for (const [name, value] of Object.entries(filters)) query.set(name.replace(/[A-Z]/g, '_$&').toLowerCase(), value)
  const api = await reachApi(config, { url, makes: false })
  try {
    const answer = await api.ask(`/housing/export?${query}`)
    if (file === undefined) return await pipeline(answer, progress('Exported'), process.stdout, { end: false })
    const unfinished = `${file}.unfinished`
    try {
      await pipeline(answer, progress('Exported'), createWriteStream(unfinished))
      await rename(unfinished, file)
    } catch (error) {
      await rm(unfinished, { force: true })
      throw error
    }
    say(`${file} is complete: ${api.where}`)
  } finally {
    await api.close()
  }
}
