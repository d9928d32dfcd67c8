import { BlockList, isIP, isIPv6 } from 'node:net'

const authority = /^(?:([\w-]+(?:\.[\w-]+)*)\.?|\[([\da-f:.]+)\])(?::(\d{0,5}))?$/i

/**
 * The host of `host` or `host:port` in the form in which hosts are compared: in lower case, without a dot at the end, and
 * an IPv6 address in brackets and in its shortest form. Undefined if it is malformed.
 */
export function hostIn(text: string): string | undefined {
  const [, name, address = '', port] = authority.exec(text) ?? []
  if (Number(port ?? 0) > 65535) return undefined
  if (name !== undefined) return name.toLowerCase()
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname : undefined
}

/** An entry of HOSTS in the form of {@link hostIn}; `*.example.org` stands for all names below it. */
export function hostPattern(text: string): string | undefined {
  if (isIPv6(text)) return hostIn(`[${text}]`)
  if (text.startsWith('*.')) return isName(text.slice(2)) ? `*.${hostIn(text.slice(2))}` : undefined
  return isName(text) || text.endsWith(']') ? hostIn(text) : undefined
}

/** Whether it has neither a port nor brackets. */
const isName = (text: string) => /^[\w.-]+$/.test(text) && hostIn(text) !== undefined

/** Whether one of these patterns names the host. */
export const isNamed = (patterns: string[], host: string): boolean =>
  patterns.some((pattern) => (pattern.startsWith('*.') ? host.endsWith(pattern.slice(1)) : host === pattern))

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Whether a host name or address is this machine's own, which no other machine can reach. */
export function isLoopback(host: string): boolean {
  return isIP(host) === 0 ? /(^|\.)localhost\.?$/i.test(host) : contains(loopback, host)
}

/** Whether nobody on the way can change what the URL answers: it is https, or http on this machine. */
export const isSecure = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname.replace(/^\[|\]$/g, '')))

/** Whether the list contains an address; false for anything that is not one. */
export function contains(list: BlockList, text: string): boolean {
  const address = text.replace(/%.*/, '') // the zone of a link-local address
  const family = isIP(address)
  return family !== 0 && list.check(address, `ipv${family as 4 | 6}`)
}
