import type { FastifyInstance } from 'fastify'
import type { Site } from '../contract/path.ts'
import { Problem } from '../contract/problems.ts'
import type { Log } from '../log.ts'
import { withoutCredentials } from './request-log.ts'

const changesNothing = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Refuses changes that a browser marks as sent by a page of another site, unless its origin is one of `origins`; the
 * rule is that of Go's http.CrossOriginProtection. Only browsers send these marks, so other clients are not affected.
 */
export function refuseOtherSites(app: FastifyInstance, origins: string[] | '*', log: Log): void {
  if (origins === '*') return
  const allowed = new Set(origins)
  const report = refusedOrigins(log)
  app.addHook('onRequest', (request, _reply, done) => {
    const { origin, 'sec-fetch-site': site } = request.raw.headers
    if (origin === undefined ? site === undefined : allowed.has(origin)) return done()
    const isOurs =
      site === undefined ? isOwn(origin as string, request.site) : site === 'same-origin' || site === 'none'
    if (isOurs) return done()
    if (origin !== undefined) report(origin)
    done(changesNothing.has(request.method) ? undefined : crossSite())
  })
}

const crossSite = () =>
  new Problem(
    'cross-site-request',
    'A page of another site sent this request, so nothing was changed. To allow it, add the origin of the page to the setting ORIGINS.',
  )

/** Whether an origin is the API's own. Without a proxy that names it, the scheme is unknown: TLS may end before us. */
function isOwn(origin: string, { scheme, host }: Site): boolean {
  const [, theirs] = /^(https?):\/\//.exec(origin) ?? []
  if (host === undefined || theirs === undefined || theirs !== (scheme ?? theirs)) return false
  const own = `${theirs}://${host}`
  // Parsed, because a default port may be written or not.
  return URL.canParse(origin) && URL.canParse(own) && new URL(origin).host === new URL(own).host
}

const minute = 60_000
const maxReported = 100

/** Logs each refused origin once a minute, and at most a hundred of them, because clients can send any number. */
function refusedOrigins(log: Log): (origin: string) => void {
  const reported = new Set<string>()
  let since = 0
  return (origin) => {
    const now = Date.now()
    if (now - since >= minute || now < since) {
      reported.clear()
      since = now
    }
    const text = withoutCredentials(origin.replace(/[^!-~]/g, '?')).slice(0, 200)
    if (reported.has(text) || reported.size >= maxReported) return
    reported.add(text)
    log.warn(`The origin ${text} is not in ORIGINS: its pages can neither read answers nor change anything.`)
  }
}
