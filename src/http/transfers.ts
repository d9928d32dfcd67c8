import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest, onSendHookHandler } from 'fastify'
import type { Caller } from '../contract/caller.ts'
import { Problem } from '../contract/problems.ts'
import { reason } from '../database/errors.ts'
import type { Log } from '../log.ts'
import { gauge, shed } from '../metrics.ts'
import { leave } from './admission.ts'
import { unhurried } from './connections.ts'

/** How long an upload may stand still, in milliseconds. */
const maxSilence = 10_000

/**
 * The same for a download. A client that reads slowly empties the buffers between it and this process, of some megabytes,
 * before the process notices.
 */
const maxStandstill = 25_000

const inProgress = gauge('sample_api_transfers_active', 'Imports, exports and streams in progress.', 'kind')

/** A transfer in progress. */
export interface Transfer {
  /** Aborted, with the problem to answer, when the process stops. */
  signal: AbortSignal
  end(): void
}

/**
 * Limits the transfers of one kind, which may go on for as long as they move. The function begins one for a request: beyond
 * `max` at a time it throws a 503, and beyond one for each caller, if that is asked for, a 429. The contract of the routes
 * of `app` says so.
 */
export function transfers(
  app: FastifyInstance,
  what: string,
  { max, isOneEach = false }: { max: number; isOneEach?: boolean },
) {
  const running = new Map<AbortController, Caller | null>()
  let isStopping = false
  const cutOff = (transfer: AbortController) =>
    transfer.abort(problem('unavailable', `The service stops, so the ${what} was cut off.`))
  const stopMeasuring = inProgress.from(() => [[running.size, what]])
  app.addHook('preClose', (done) => {
    stopMeasuring()
    isStopping = true
    for (const transfer of running.keys()) cutOff(transfer)
    done()
  })
  app.addHook('onRoute', (route) => {
    const response = route.schema?.response as Record<number, { description: string }>
    const add = (status: number, why: string) => {
      const usual = response[status]
      if (usual) response[status] = { ...usual, description: `${usual.description} ${why}` }
    }
    add(503, `Or the service does as many ${what}s as it can at a time, or stops.`)
    if (isOneEach) add(429, `Or it has another ${what} in progress.`)
    if (route.method === 'HEAD') route.onSend = [...[route.onSend ?? []].flat(), withoutLength]
  })
  return (request: FastifyRequest): Transfer => {
    const { caller } = request
    if (running.size >= max) throw refuseTransfer(`The service does at most ${max} ${what}s at a time.`)
    if (isOneEach && caller && [...running.values()].some((other) => other?.name === caller.name))
      throw problem('too-many-requests', `Each caller may have one ${what} at a time.`)
    leave(request)
    const transfer = new AbortController()
    running.set(transfer, caller)
    if (isStopping) cutOff(transfer) // its request had arrived before
    return { signal: transfer.signal, end: () => void running.delete(transfer) }
  }
}

/** Fastify says that the answer to a HEAD has no bytes. */
const withoutLength: onSendHookHandler = (_request, reply, _payload, done) => {
  if (reply.statusCode === 200) reply.removeHeader('content-length')
  done()
}

/** Counts a transfer as rejected because of the load, and answers the 503 for it. */
export function refuseTransfer(why: string): Problem {
  shed.of('transfers').add()
  return problem('unavailable', why)
}

const problem = (code: 'unavailable' | 'too-many-requests', why: string) =>
  new Problem(code, `${why} Try again soon.`, { headers: { 'retry-after': '5' } })

/**
 * The body of a request while it arrives, which may take as long as it keeps arriving. Throws a problem where it stands
 * still, where the client goes away, and where the transfer is aborted.
 */
export async function* receive({ raw }: FastifyRequest, signal: AbortSignal): AsyncGenerator<Buffer> {
  unhurried.add(raw)
  const chunks = raw.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer>
  const next = () =>
    new Promise<IteratorResult<Buffer>>((resolve, reject) => {
      const abort = () => reject(signal.reason)
      const late = setTimeout(() => reject(standsStill()), maxSilence)
      signal.addEventListener('abort', abort)
      const end = () => {
        clearTimeout(late)
        signal.removeEventListener('abort', abort)
      }
      chunks
        .next()
        .then(resolve, () => reject(goneAway()))
        .finally(end)
    })
  try {
    for (;;) {
      signal.throwIfAborted()
      const { value, done } = await next()
      if (done) return
      yield value
    }
  } finally {
    if (!raw.complete) {
      // What still arrives is discarded, so that the client can read why; but not for long.
      void chunks.return?.().then(() => setImmediate(() => raw.resume())) // Node first notices that nobody listens
      setTimeout(() => raw.complete || raw.destroy(), maxSilence).unref()
    }
  }
}

/** For the log: nobody gets it as an answer. */
export const goneAway = () => new Problem('malformed-request', 'The client went away.')

/** Aborted when the client of an answer goes away, or once `other` is. */
export function untilGone(answer: ServerResponse, other?: AbortSignal): AbortSignal {
  const gone = new AbortController()
  const end = () => gone.abort(other?.aborted ? other.reason : goneAway())
  if (answer.destroyed || other?.aborted) end()
  answer.once('close', end)
  other?.addEventListener('abort', end)
  return gone.signal
}

const standsStill = () =>
  new Problem('request-timeout', `Nothing more of the body arrived for ${maxSilence / 1000} seconds.`)

/**
 * Answers with chunks, once there is a first one. `produce` gets a signal that is aborted when the client goes away. Where
 * the answer then fails, stands still or is aborted, its connection is broken, so that nobody takes it for complete. The
 * transfer ends once nothing is produced any more.
 */
export async function sendChunks(
  reply: FastifyReply,
  { signal, end }: Transfer,
  produce: (gone: AbortSignal) => AsyncIterable<Buffer>,
): Promise<void> {
  const { raw: answer, request, log } = reply
  const chunks = ending(produce(untilGone(answer)), end)
  const first = await chunks.next()
  if (signal.aborted) {
    await chunks.return(undefined)
    throw signal.reason
  }

  const breakOff = (why: string) => {
    if (answer.writableEnded || answer.destroyed) return
    const message = `${request.method} ${request.route} broke off: ${why}`
    ;(log as Log).throttled('error', 'transfer', { request_id: request.id }, message)
    answer.socket?.resetAndDestroy() // over HTTP/1.0, a proxy takes any other end for that of the file
  }
  const timer = setTimeout(() => breakOff(`nothing moved for ${maxStandstill / 1000} s`), maxStandstill)
  const abort = () => breakOff((signal.reason as Problem).message)
  signal.addEventListener('abort', abort)
  async function* rest() {
    for (let { value, done } = first; !done; { value, done } = await chunks.next()) {
      timer.refresh()
      yield value
    }
  }
  const body = Readable.from(rest(), { objectMode: false })
  body.once('error', (error) => breakOff(reason(error)))
  body.once('close', () => {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    void chunks.return(undefined)
  })
  reply.send(body)
}

async function* ending(chunks: AsyncIterable<Buffer>, end: () => void): AsyncGenerator<Buffer, undefined> {
  try {
    yield* chunks
  } finally {
    end()
  }
}
