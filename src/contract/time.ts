import { Type } from 'typebox'

/** A point in time, as RFC 3339 writes it. */
export const DateTime = (what: string) =>
  Type.String({
    format: 'date-time',
    maxLength: 100,
    description: `${what}: an RFC 3339 date-time of up to 100 characters, such as 2026-11-22T18:03:11Z.`,
  })

const dateTime =
  /^(\d{4}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d):([0-5]\d|60)(\.\d+)?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** RFC 3339; a leap second is the last of a month in UTC. (ajv-formats accepts other ones.) */
export function isDateTime(text: string): boolean {
  const [, day = '', , second] = dateTime.exec(text) ?? []
  const midnight = new Date(`${day}T00:00Z`)
  if (Number.isNaN(midnight.getTime()) || midnight.toISOString().slice(0, 10) !== day) return false // 30 February
  return second !== '60' || /-01T00:00:00$/.test(secondIn(text))
}

/**
 * The same instant in UTC as Postgres reads it, cut to microseconds. (Postgres rejects offsets of 16 hours and more, and
 * writes the year 0 as 1 BC.)
 */
export function inUtc(dateTime: string): string {
  const [fraction = ''] = /\.\d+/.exec(dateTime) ?? []
  const [, year, rest] = /^([+-]?\d+)(.*)$/.exec(secondIn(dateTime)) ?? []
  const isBC = Number(year) < 1
  const number = String(isBC ? 1 - Number(year) : Number(year)).padStart(4, '0')
  return `${number}${rest}${fraction.slice(0, 7)}Z${isBC ? ' BC' : ''}`
}

/** The second in UTC, as JavaScript writes it: with six digits and a sign for years outside 0 to 9999. */
function secondIn(text: string): string {
  const [, day, minute, second, , offset = ''] = dateTime.exec(text) ?? []
  const date = new Date(Date.parse(`${day}T${minute}${offset.toUpperCase()}`) + Number(second) * 1000)
  return date.toISOString().slice(0, -5)
}
