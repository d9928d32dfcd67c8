import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { contains, hostIn } from '../config/host-names.ts'
import type { Site } from '../contract/path.ts'

/** Whether an address is that of a trusted proxy. */
export type IsProxy = (address?: string) => boolean

/** Recognises the proxies of these addresses and ranges. */
export function proxiesIn(ranges: string[]): IsProxy {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', bits] = range.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, Number(bits ?? { ipv4: 32, ipv6: 128 }[family]), family)
  }
  return (address = '') => contains(list, address)
}

/** The authority that a request is for: that of an absolute URL, which wins (RFC 9112, 3.2.2), or else `Host`. */
export const authorityOf = ({ originalUrl, raw }: FastifyRequest): string | undefined =>
  /^https?:\/\/([^/?#]*)/i.exec(originalUrl)?.[1] ?? raw.headers.host

/** Where clients see the API: `X-Forwarded-Proto`, `-Host` and `-Prefix` count if a trusted proxy sends them. */
export type SiteOf = (request: FastifyRequest) => Site

export const siteReader =
  (isProxy: IsProxy | undefined): SiteOf =>
  (request) => {
    const authority = authorityOf(request)
    const host = authority && hostIn(authority) ? authority : undefined
    const said = isProxy?.(request.raw.socket.remoteAddress) ? forwarded(request.raw) : {}
    return { scheme: undefined, host, prefix: '', ...said }
  }

/** Gives each request its `site`. */
export function locateSite(app: FastifyInstance, siteOf: SiteOf): void {
  app.decorateRequest('site', {
    getter(this: FastifyRequest) {
      return siteOf(this)
    },
  })
}

/** Adds the prefix to the paths in `Location` and `Link` on the way out; handlers and stored answers do without it. */
export function addPrefix(app: FastifyInstance): void {
  app.addHook('onSend', (request, reply, _payload, done) => {
    const [location, link] = [reply.getHeader('location'), reply.getHeader('link')]
    if (location) reply.header('location', String(location).replace(/^(?=\/)/, request.site.prefix))
    if (link) reply.header('link', String(link).replaceAll('</', `<${request.site.prefix}/`))
    done()
  })
}

/** What the proxies say, as far as it is well-formed. Where several made a list, its first item is the client's. */
function forwarded({ headers }: IncomingMessage): Partial<Site> {
  const first = (name: string) => String(headers[`x-forwarded-${name}`] ?? '').replace(/\s*,.*/s, '')
  const [scheme, host, prefix] = [first('proto').toLowerCase(), first('host'), first('prefix')]
  return {
    ...((scheme === 'http' || scheme === 'https') && { scheme }),
    ...(hostIn(host) && { host }),
    ...(isPrefix.test(prefix) && { prefix: prefix.replace(/\/$/, '') }),
  }
}

/** Plain segments, none of them `.` or `..`. */
const isPrefix = /^(\/(?!\.{1,2}(\/|$))[\w.~-]+)+\/?$/
