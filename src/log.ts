import { type Logger, pino, stdTimeFunctions } from 'pino'
import type { Config } from './config/config.ts'
import { counter } from './metrics.ts'

/** The log: pino's methods, and some of its own. */
export type Log = Logger & {
  /** Writes a finished JSON line at the level info. */
  line: (json: string) => void
  /** Logs, but of each kind only one line a second, the first at once; `more` counts those left out since. */
  throttled: (level: 'error' | 'warn', kind: string, fields: object, message: string) => void
}

/** One JSON object per line on stdout; on a terminal a line for people instead. */
export function createLog(level: Config['logLevel']): Log {
  const write = process.stdout.isTTY ? forPeople : toStdout()
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: withoutData },
    },
    { write },
  )
  return Object.assign(logger, {
    line: logger.isLevelEnabled('info') ? write : () => {},
    throttled: throttled((level, fields, message) => logger[level](fields, message)),
  })
}

/** The parts of an error that cannot contain data of rows: Postgres puts that into `detail` and `where`. */
function withoutData(error: Error & { code?: string; constraint?: string }): object {
  const { message, code, constraint } = error
  return { message, code, constraint, stack: stackOf(error) }
}

const stackOf = ({ stack, cause }: Error): string =>
  cause instanceof Error ? `${stack}\ncaused by: ${stackOf(cause)}` : String(stack)

type Level = Parameters<Log['throttled']>[0]

function throttled(write: (level: Level, fields: object, message: string) => void): Log['throttled'] {
  const waiting = new Map<string, { count: number; writeLast: () => void }>()
  return (level, kind, fields, message) => {
    const lines = waiting.get(kind)
    if (!lines) {
      write(level, fields, message)
      return wait(kind)
    }
    const more = lines.count
    lines.count += 1
    lines.writeLast = () =>
      write(level, more > 0 ? { ...fields, more } : fields, more > 0 ? `${message} (and ${more} more)` : message)
  }

  /** Counts the lines of this kind for a second, then writes the last one. */
  function wait(kind: string): void {
    const lines = { count: 0, writeLast() {} }
    waiting.set(kind, lines)
    setTimeout(() => {
      waiting.delete(kind)
      if (lines.count === 0) return
      lines.writeLast()
      wait(kind)
    }, 1000).unref()
  }
}

const lost = counter('sample_api_log_lines_lost_total', 'Lines of the log that could not be written.').of()

/** The most bytes that wait for a slow reader of stdout; while more wait, lines are dropped. */
const maxBacklog = 1024 * 1024

// Without a listener, a reader that has left (EPIPE) or a full disk (ENOSPC) would end the program. Each write reports
// its own error.
process.stdout.on('error', () => {})

/**
 * Collects the lines of one turn of the event loop and writes them at once; pino's own stream costs five times as much.
 * Lines that cannot be written are dropped and counted; the first line that can be written again says how many.
 */
function toStdout(): (line: string) => void {
  const { stdout } = process
  let lines = ''
  let count = 0
  let dropped = 0
  const drop = (all: number, fresh: number) => {
    if (dropped === 0) setTimeout(flush, 1000).unref() // reports it even if no other line follows
    dropped += all
    lost.add(fresh)
  }
  const flush = () => {
    if (lines === '' && dropped === 0) return
    const batch = dropped > 0 ? notice(dropped) + lines : lines
    const [all, fresh] = [dropped + count, count]
    lines = ''
    count = 0
    dropped = 0
    if (stdout.writableLength > maxBacklog) drop(all, fresh)
    else stdout.write(batch, (error) => error && drop(all, fresh))
  }
  process.on('exit', flush)
  return (line) => {
    if (lines === '') setImmediate(flush)
    lines += line
    count += 1
  }
}

/** Begins with a newline, as a line may have been written in part. */
function notice(dropped: number): string {
  const msg = `${dropped} lines of the log could not be written and are lost`
  return `\n${JSON.stringify({ level: 'warn', time: new Date().toISOString(), dropped, msg })}\n`
}

function forPeople(json: string): void {
  const { time, level, method, url, status, ms, msg, err } = JSON.parse(json)
  const text = url === undefined ? msg : `${method} ${url} ${status} in ${ms} ms`
  process.stdout.write(`${time.slice(11, 19)} ${level === 'info' ? '' : `${level.toUpperCase()} `}${text}\n`)
  if (err) process.stdout.write(`${err.stack}\n`)
}

/** How often a timer checks the event loop, and by how much it must be late for a stall, in milliseconds. */
const [beat, stallAfter] = [250, 1000]
let lastBeat: number | undefined
let stall = { ms: 0, end: Number.NEGATIVE_INFINITY }

/** Logs each time that the event loop stood still for over a second: the process was stopped, starved or too busy. */
export function watchEventLoop(log: Logger): void {
  lastBeat = performance.now()
  setInterval(() => {
    const now = performance.now()
    const ms = now - (lastBeat ?? now) - beat
    lastBeat = now
    if (ms < stallAfter) return
    stall = { ms, end: now }
    log.warn(`${describe(ms)}: what waited meanwhile is late`)
  }, beat).unref()
}

/** Describes a stall of the event loop that has just ended: deadlines that passed meanwhile are nobody else's fault. */
export function recentStall(): string | undefined {
  if (lastBeat === undefined) return undefined
  const now = performance.now()
  const ms = now - lastBeat - beat // its timer may run after this one
  if (ms >= stallAfter) return describe(ms)
  return now - stall.end < stallAfter ? describe(stall.ms) : undefined
}

const describe = (ms: number) => `The event loop stood still for ${(ms / 1000).toFixed(1)} s`
