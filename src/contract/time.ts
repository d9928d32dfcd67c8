import { Type } from 'typebox'

/** A point in time, as RFC 3339 writes it. */
export const DateTime = (what: string) =>
  Type.String({
    format: 'date-time',
    description: `${what}: an RFC 3339 date-time, such as 2026-11-22T18:03:11Z.`,
    examples: ['2026-11-22T18:03:11Z'],
  })

const dateTime =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/

/** RFC 3339, within the years that Postgres and JavaScript both have. (ajv-formats accepts others, and 23:59:60.) */
export function isDateTime(text: string): boolean {
  const [year = 0, month = 0, day = 0] = dateTime.exec(text)?.slice(1, 4).map(Number) ?? []
  const date = new Date(Date.UTC(year, month - 1, day))
  return year >= 1000 && year <= 9998 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

/**
 * The same instant in UTC, cut to microseconds. (Postgres rejects offsets of 16 hours and more.)
 */
export function inUtc(dateTime: string): string {
  const [fraction = ''] = /\.\d+/.exec(dateTime) ?? []
  const seconds = new Date(dateTime.replace(fraction, '').toUpperCase()).toISOString()
  return `${seconds.slice(0, 19)}${fraction.slice(0, 7)}Z`
}
