import type { FastifyRequest } from 'fastify'
import { hostIn, isNamed } from '../config/host-names.ts'
import { Problem } from '../contract/problems.ts'
import { timesSent } from './request-headers.ts'
import { authorityOf } from './site.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The route answers under any host name: probes use addresses. */
    anyHost?: boolean
  }
}

/** What is wrong with the host of a request, if anything. */
export type HostCheck = (request: FastifyRequest) => Problem | undefined

/** Checks that each request names one well-formed host, and that it is one of `names`. */
export function hostCheck(names: string[] | '*'): HostCheck {
  return (request) => {
    const { headers, httpVersion } = request.raw
    if (headers.host === undefined && httpVersion === '1.1')
      return malformed('A request in HTTP/1.1 must have the header Host.')
    if (timesSent('host', request.raw) > 1) return malformed('A request must have the header Host only once.')
    const authority = authorityOf(request)
    if (authority === undefined) return undefined
    const host = hostIn(authority)
    if (host === undefined || hostIn(headers.host ?? authority) === undefined)
      return malformed('The host must be a name or an address, with or without a port.')
    if (names === '*' || isNamed(names, host)) return undefined
    if (request.routeOptions.config?.anyHost) return undefined // read last: Fastify creates routeOptions at each access
    return new Problem(
      'misdirected-request',
      `The service does not answer to the name ${host}. Use one of its own names, or add this one to its setting HOSTS.`,
    )
  }
}

const malformed = (detail: string) => new Problem('malformed-request', detail)
