import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../contract/problems.ts'
import type { Log } from '../log.ts'
import { shed } from '../metrics.ts'
import { enterAll, type Limits, Load, type Place, Turns, turnsOf } from './places.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Whether a request may keep a connection to the database busy for long. A change of a resource always may. */
    isSlow?: (request: FastifyRequest) => boolean
    /** Whether a read shares its connection with others: in one statement (`gathered.ts`), or because they take turns. */
    isShared?: (request: FastifyRequest) => boolean
    admission?: Admission
  }
  interface FastifyRequest {
    /** How long it has waited until its caller was known, in milliseconds. */
    waited: number
    /** What it has a place in, once it is admitted. */
    places: Place[] | undefined
    /** Whether it was rejected because of the load. */
    isShed: boolean
  }
}

/** They come in bursts, and their answers in batches. */
const bounds = { longestWait: 250, fewest: 300 }
const quick: Limits = { calm: bounds, crowded: bounds, span: 128 }

/** Each takes much of the database (`bench/overload.ts`). */
const slowReads: Limits = {
  calm: { longestWait: 150, fewest: 10 },
  crowded: { longestWait: 50, fewest: 5 },
  span: 16,
}

/** How long a request waits until it may ask the database, in milliseconds: for its caller and for its turns. */
const longestWait = 1000

const tooMany = new Problem(
  'unavailable',
  'The service has more requests than it can answer soon; nothing was changed. Try again.',
  { headers: { 'retry-after': '1' } },
)

interface Admission {
  /** Whose limits apply to a request. */
  loadOf: (request: FastifyRequest) => Load
  /** What it takes a place in, in this order. */
  placesOf: (request: FastifyRequest) => Place[]
}

type Holds = (request: FastifyRequest) => boolean
const never = () => false

/**
 * Admits only as many requests as can be answered soon. Others get a 503, before their bodies are read. Reads and changes of
 * each path have limits of their own, so that slow ones leave the others alone. Routes that ask for no scope have none, as
 * they do not use the database.
 *
 * Changes of one resource take turns, as they would in the database, where each waits with a connection of its own. All
 * changes together hold at most a third of the connections, and so do additions with an Idempotency-Key, and the reads of
 * a path that do not share theirs.
 */
export function admitRequests(app: FastifyInstance, { log, connections }: { log: Log; connections: number }): void {
  const aThird = () => new Turns(connections > 1 ? Math.max(1, Math.floor(connections / 3)) : Number.POSITIVE_INFINITY)
  const [changes, keyed] = [aThird(), aThird()]
  const resources = new Map<string, Turns>()
  const admissions = new Map<string, Admission>() // GET and HEAD of a path share one, and so do its changes
  const sheds = shed.of('requests')
  app.decorateRequest('waited', 0)
  app.decorateRequest('places')
  app.decorateRequest('isShed', false)

  app.addHook('onRoute', (route) => {
    const { scope, isSlow = never, isShared = never } = route.config ?? {}
    if (scope === undefined) return
    const isRead = route.method === 'GET' || route.method === 'HEAD'
    const key = `${isRead} ${route.url}`
    const admission = admissions.get(key) ?? (isRead ? toRead(isSlow, isShared) : toWrite(route.url, isSlow))
    admissions.set(key, admission)
    route.config = { ...route.config, admission }
  })
  app.addHook('onRequest', (request, _reply, done) => {
    const { admission } = request.routeOptions.config
    done(admission?.loadOf(request).rejects() ? reject(request) : undefined)
  })
  // A place is taken once the body is there: it may arrive slowly, and what is wrong with it is not for the database.
  app.addHook('preHandler', (request, _reply, done) => {
    const { admission } = request.routeOptions.config
    if (!admission) return done()
    request.places = []
    const end = (isIn: boolean) => done(isIn ? undefined : reject(request))
    const until = performance.now() + longestWait - request.waited
    const isIn = enterAll(admission.placesOf(request), request.places, until)
    if (typeof isIn === 'boolean') end(isIn)
    else isIn.then(end, done)
  })
  app.addHook('onSend', (request, _reply, _payload, done) => {
    leave(request)
    done()
  })

  function toRead(isSlow: Holds, isShared: Holds): Admission {
    const [usual, slow, turns] = [new Load(quick), new Load(slowReads), aThird()]
    const [shared, alone, slowly] = [[usual], [usual, turns], [slow, turns]]
    return {
      loadOf: (request) => (isSlow(request) ? slow : usual),
      placesOf: (request) => (isSlow(request) ? slowly : isShared(request) ? shared : alone),
    }
  }

  function toWrite(url: string, isSlow: Holds): Admission {
    const [path = '', parameter] = url.split('/:', 2)
    return parameter === undefined ? toAdd(isSlow) : toChange(path)
  }

  function toChange(path: string): Admission {
    const load = new Load(quick)
    return {
      loadOf: () => load,
      placesOf: ({ params }) => {
        const [id] = Object.values(params as object)
        return [turnsOf(resources, `${path}/${id}`), load, changes]
      },
    }
  }

  /** New ones, or a batch of changes. A request with a key is slow: its work is a transaction of several statements. */
  function toAdd(isSlow: Holds): Admission {
    const [usual, slow] = [new Load(quick), new Load(quick)]
    const isLong: Holds = (request) => request.headers['idempotency-key'] !== undefined || isSlow(request)
    return {
      loadOf: (request) => (isLong(request) ? slow : usual),
      placesOf: (request) => (isLong(request) ? [slow, isSlow(request) ? changes : keyed] : [usual]),
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
  for (const place of request.places?.splice(0) ?? []) place.leave()
}
