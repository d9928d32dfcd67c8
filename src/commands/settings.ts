import type { Config } from '../config/config.ts'
import { settingsInEffect } from '../config/in-effect.ts'

/** Prints what is in effect and where it comes from, for people or, as JSON, for programs. */
export function printSettings(
  config: Config,
  variables: NodeJS.ProcessEnv,
  { json = false }: { json?: boolean },
): void {
  const all = settingsInEffect(config, variables)
  const rows = all.map(({ name, value, from }) => [name, visible(value || '–'), from] as const)
  const [names, values] = [0, 1].map((column) => Math.max(...rows.map((row) => (row[column] as string).length)))
  const table = rows.map(([name, value, from]) => `${name.padEnd(names ?? 0)}  ${value.padEnd(values ?? 0)}  ${from}`)
  process.stdout.write(`${json ? JSON.stringify(all, null, 2) : table.join('\n')}\n`)
}

/** A path may contain characters that command a terminal. */
const visible = (text: string) => text.replace(/\p{C}/gu, '?')
