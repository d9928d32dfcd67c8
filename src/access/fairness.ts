import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Problem } from '../contract/problems.ts'
import { type Allowance, Buckets, networkOf } from './buckets.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** How many ordinary writes a request with this body counts as, if it is more than one. */
    cost?: (body: never) => number
  }
}

const reading = new Set(['GET', 'HEAD'])

/**
 * Limits what each caller sends to this process: 50 reads and 10 writes a second, times `factor`. Callers without
 * credentials are limited by address. So are failed credentials, to 10 a minute. An infinite factor is no limit.
 */
export function limiter(app: FastifyInstance, factor: number) {
  const isUnlimited = factor === Number.POSITIVE_INFINITY
  const reads = { name: 'reads', buckets: new Buckets(50 * factor, 1) }
  const writes = { name: 'writes', buckets: new Buckets(10 * factor, 1) }
  const failures = { name: 'failed credentials', buckets: new Buckets(10, 60) }
  const nameOf = ({ caller, ip }: FastifyRequest) =>
    caller && caller.name !== 'anonymous' ? caller.name : networkOf(ip)

  if (!isUnlimited)
    app.addHook('preHandler', (request, _reply, done) => {
      const { cost } = request.routeOptions.config
      if (cost && request.caller) writes.buckets.charge(nameOf(request), Math.max(0, cost(request.body as never) - 1))
      done()
    })

  return {
    /** Counts a request, and puts what is left into the headers of its answer. Throws if its caller has sent too many. */
    spend(request: FastifyRequest, reply: FastifyReply): void {
      if (!isUnlimited) take(reading.has(request.method) ? reads : writes, nameOf(request), reply)
    },
    /** Counts failed credentials. Throws if its address has sent too many of them. */
    fail(request: FastifyRequest, reply: FastifyReply): void {
      if (!isUnlimited) take(failures, networkOf(request.ip), reply)
    },
  }
}

function take({ name, buckets }: { name: string; buckets: Buckets }, caller: string, reply: FastifyReply): void {
  const allowance = buckets.take(caller)
  const quota = Math.floor(buckets.quota)
  reply.header('ratelimit-policy', `"${name}";q=${quota};w=${buckets.window}`)
  reply.header('ratelimit', `"${name}";r=${allowance.remaining};t=${Math.ceil(allowance.reset)}`)
  if (!allowance.isAllowed) throw tooMany(name, quota, buckets.window, allowance)
}

function tooMany(name: string, quota: number, window: number, { wait }: Allowance): Problem {
  const seconds = Math.max(1, Math.ceil(wait))
  const span = window === 1 ? 'a second' : `in ${window} seconds`
  return new Problem('too-many-requests', `At most ${quota} ${name} ${span} are allowed. Try again in ${seconds} s.`, {
    headers: { 'retry-after': `${seconds}` },
  })
}
