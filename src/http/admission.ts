import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../contract/problems.ts'
import type { Log } from '../log.ts'
import { shed } from '../metrics.ts'
import { type Limits, Load, type Place, Turns, turnsOf } from './places.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether a request may keep a connection to the database busy for long. A change of a resource always may. */
    isSlow?: (request: FastifyRequest) => boolean
    admission?: Admission
  }
  interface FastifyRequest {
    /** Where the request is admitted. */
    place: Pick<Place, 'leave'> | null
    /** Whether it was rejected because of the load. */
    isShed: boolean
  }
}

/** They come in bursts, and their answers in batches. */
const quick: Limits = { longestWait: 250, fewest: 300, span: 128 }

/** Each takes much of the database: several times what one takes (`bench/overload.ts`). */
const slowReads: Limits = { longestWait: 100, fewest: 12, span: 16 }

const tooMany = new Problem(
  'unavailable',
  'The service has more requests than it can answer soon; nothing was changed. Try again.',
  { headers: { 'retry-after': '1' } },
)

interface Admission {
  /** For the requests of a route that are not slow. */
  usual: Load
  slow: Load
  isSlow: (request: FastifyRequest) => boolean
  /** What a slow request enters, in this order. */
  slowPlaces: (request: FastifyRequest) => Place[]
}

const never = () => false
const always = () => true
/** The work of a request with a key is a transaction of several statements. */
const isKeyed = ({ headers }: FastifyRequest) => headers['idempotency-key'] !== undefined

/**
 * Admits only as many requests as can be answered soon. Others get a 503, before their bodies are read. Reads and changes of
 * each path have limits of their own, so that slow ones leave the others alone. Routes that ask for no scope have none, as
 * they do not use the database.
 *
 * Changes of one resource take turns, as they would in the database, where each waits with a connection of its own. All
 * changes together hold at most half of the connections, and so do the slow requests of any other route.
 */
export function admitRequests(app: FastifyInstance, { log, connections }: { log: Log; connections: number }): void {
  const half = connections > 1 ? connections >> 1 : Number.POSITIVE_INFINITY
  const changes = new Turns(half)
  const resources = new Map<string, Turns>()
  const admissions = new Map<string, Admission>() // GET and HEAD of a path share one, and so do its changes
  const sheds = shed.of('requests')
  app.decorateRequest('place', null)
  app.decorateRequest('isShed', false)

  app.addHook('onRoute', (route) => {
    const { scope, isSlow = never } = route.config ?? {}
    if (scope === undefined) return
    const isRead = route.method === 'GET' || route.method === 'HEAD'
    const key = `${isRead} ${route.url}`
    const admission = admissions.get(key) ?? admissionTo(route.url, isRead, isSlow)
    admissions.set(key, admission)
    route.config = { ...route.config, admission }
  })
  app.addHook('onRequest', (request, _reply, done) => {
    const { admission } = request.routeOptions.config
    if (!admission) return done()
    const { usual, slow, isSlow } = admission
    done((isSlow(request) ? slow : usual).isFull ? reject(request) : undefined)
  })
  // A place is taken once the body is there: it may arrive slowly, and what is wrong with it is not for the database.
  app.addHook('preHandler', (request, _reply, done) => {
    const { admission } = request.routeOptions.config
    if (!admission) return done()
    const { usual, isSlow, slowPlaces } = admission
    if (!isSlow(request)) {
      if (!usual.enter()) return done(reject(request))
      request.place = usual
      return done()
    }
    enterAll(request, slowPlaces(request)).then((isIn) => done(isIn ? undefined : reject(request)), done)
  })
  app.addHook('onSend', (request, _reply, _payload, done) => {
    leave(request)
    done()
  })

  function admissionTo(url: string, isRead: boolean, isSlow: Admission['isSlow']): Admission {
    const [path, parameter] = url.split('/:', 2)
    const changesOne = !isRead && parameter !== undefined
    const changesMany = !isRead && isSlow !== never
    const slow = new Load(isRead ? slowReads : quick)
    const places = [slow, changesOne || changesMany ? changes : new Turns(half)]
    return {
      usual: new Load(quick),
      slow,
      isSlow: changesOne ? always : isRead ? isSlow : (request) => isKeyed(request) || isSlow(request),
      slowPlaces: changesOne
        ? ({ params }) => [turnsOf(resources, `${path}/${Object.values(params as object)[0]}`), ...places]
        : () => places,
    }
  }

  function reject(request: FastifyRequest): Problem {
    request.isShed = true
    sheds.add()
    const { id, ip, method, routeOptions } = request
    const what = `${method} ${routeOptions.url}`
    log.throttled('warn', 'shed', { request_id: id, client: ip }, `Rejected because of the load: ${what}`)
    return tooMany
  }
}

/** Ends the admission of a request: when it is answered, or when it begins what may take minutes and has its own limits. */
export function leave(request: FastifyRequest): void {
  request.place?.leave()
  request.place = null
}

async function enterAll(request: FastifyRequest, places: Place[]): Promise<boolean> {
  const entered: Place[] = []
  request.place = {
    leave() {
      for (const place of entered) place.leave()
    },
  }
  for (const place of places) {
    if (!(await place.enter())) return false
    entered.push(place)
  }
  return true
}
