import { isIPv6 } from 'node:net'

/** Where programs of this machine reach an API that listens on this host. */
export function addressOf(host: string, port: number): string {
  const listening = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host
  return `${isIPv6(listening) ? `[${listening}]` : listening}:${port}`
}
