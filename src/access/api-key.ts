import { hash, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'

// A key is `hr_`, 256 random bits, `_`, and the CRC-32 of what stands before: scanners for secrets find it by its form,
// and a typo is found without a look at the database.
const prefix = 'hr_'
const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const [secretLength, checksumLength] = [43, 6] // base 62: as many digits as 256 and 32 bits need
const form = new RegExp(`^(${prefix}[0-9A-Za-z]{${secretLength}})_([0-9A-Za-z]{${checksumLength}})$`)

/** A new key, which is to be shown once and stored nowhere, and what is stored of it. */
export function makeApiKey(): { key: string; id: string; hash: Buffer } {
  let secret = ''
  for (let rest = BigInt(`0x${randomBytes(32).toString('hex')}`); rest > 0n; rest /= 62n)
    secret = digits[Number(rest % 62n)] + secret
  const body = prefix + secret.padStart(secretLength, '0')
  const key = `${body}_${checksum(body)}`
  return { key, id: randomBytes(4).toString('hex'), hash: Buffer.from(hashOf(key), 'base64') }
}

/** Whether the text is meant to be a key, and not another kind of credentials. */
export const isApiKey = (text: string): boolean => text.startsWith(prefix)

/** Whether the text is a key that may exist: neither cut off nor mistyped. */
export function isWellFormed(text: string): boolean {
  const [, body, sum] = form.exec(text) ?? []
  return body !== undefined && checksum(body) === sum
}

/** SHA-256 of a key, in base 64. A key has 256 random bits, so neither salt nor a slow hash could protect it better. */
export const hashOf = (key: string): string => hash('sha256', key, 'base64')

function checksum(body: string): string {
  let text = ''
  for (let rest = crc32(body); rest > 0; rest = Math.floor(rest / 62)) text = digits[rest % 62] + text // no bigint: hot
  return text.padStart(checksumLength, '0')
}
