import { type Logger, pino, stdTimeFunctions } from 'pino'
import type { Config } from './config/config.ts'

/** The log: pino's methods, and `line`, which writes a finished JSON line at the level info. */
export type Log = Logger & { line: (json: string) => void }

/** One JSON object per line on stdout; on a terminal a line for people instead. */
export function createLog(level: Config['logLevel']): Log {
  const write = process.stdout.isTTY ? forPeople : toStdout()
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  )
  return Object.assign(logger, { line: logger.isLevelEnabled('info') ? write : () => {} })
}

/**
 * Collects the lines of one turn of the event loop and writes them at once; pino's own stream costs five times as much.
 */
function toStdout(): (line: string) => void {
  let lines = ''
  const flush = () => {
    process.stdout.write(lines)
    lines = ''
  }
  process.on('exit', flush)
  return (line) => {
    if (lines === '') setImmediate(flush)
    lines += line
  }
}

function forPeople(json: string): void {
  const { time, level, msg, err } = JSON.parse(json)
  process.stdout.write(`${time.slice(11, 19)} ${level === 'info' ? '' : `${level.toUpperCase()} `}${msg}\n`)
  if (err) process.stdout.write(`${err.stack}\n`)
}
