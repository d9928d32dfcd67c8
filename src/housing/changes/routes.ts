import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { answer, failures, operation, orFile, type Routes } from '../../contract/contract.ts'
import { invalidParameter, Problem } from '../../contract/problems.ts'
import { openAnswer } from '../../http/open-answers.ts'
import { preferred } from '../../http/representation.ts'
import { transfers, untilGone } from '../../http/transfers.ts'
import { housingKinds } from '../problems.ts'
import { sendEvents } from './events.ts'
import type { Feed } from './feed.ts'
import type { Page } from './queries.ts'
import { ChangesQuery, exampleChange, HousingChangePage } from './schemas.ts'

const types = { json: 'application/json', events: 'text/event-stream' }

/** The most clients that wait or listen at a time. One takes about 30 KB. */
const maxListeners = 5000

const exampleEvents = `id: ${exampleChange.position}\nevent: change\ndata: ${JSON.stringify(exampleChange)}\n\n`

/** What has changed since a position: in pages, or as it happens. */
export const changeRoutes: Routes<{ feed: Feed }> = async (app, { feed }) => {
  const begin = transfers(app, 'stream of changes', { max: maxListeners })

  app.get(
    '/changes',
    operation('listHousingChanges', 'What has changed since', {
      scope: 'housing:read',
      config: { negotiates: true, isShared: () => true },
      description: [
        'Every change of a house once, in order, also those by SQL: send `next` as the following `after`. An export has the header `Feed-Position`, the `after` from which on there is whatever it lacks.',
        'With `wait` the answer waits for a change. With `Accept: text/event-stream` the changes come as Server-Sent Events (`change`) as they happen. Their `id` is the position, so a browser goes on where its connection broke; `position` says how far the feed has been searched, `bye` that the stream ends for now.',
        'A filter also lets the change pass by which a house ceases to match.',
      ].join(' '),
      querystring: ChangesQuery,
      headers: Type.Object({
        'last-event-id': Type.Optional(
          Type.String({
            description:
              'For Server-Sent Events: the position of the last event, in place of `after`. Otherwise it is ignored.',
          }),
        ),
      }),
      response: {
        200: orFile(
          answer(HousingChangePage, 'The changes after the position.', {
            example: { items: [exampleChange], next: exampleChange.position },
          }),
          { [types.events]: exampleEvents },
        ),
        ...failures({
          406: 'The client accepts neither JSON nor Server-Sent Events.',
          410: 'The feed does not have the position. Export the houses again, and go on from its `Feed-Position`.',
        }),
      },
    }),
    async (request, reply) => {
      const { after = 0, limit = 100, wait = 0, ...filters } = request.query
      reply.header('cache-control', 'no-store, no-transform')
      if (preferred(request, reply, types) === 'events') return follow(request, reply, filters)
      const query = { after, limit, filters }
      if (wait === 0 || request.method === 'HEAD') return pageOf(await feed.page(query), after)
      const { signal, end } = begin(request)
      return pageOf(await feed.next(query, wait * 1000, untilGone(reply.raw, signal)).finally(end), after)
    },
  )

  async function follow(
    request: FastifyRequest<{ Querystring: { after?: number } }>,
    reply: FastifyReply,
    filters: object,
  ): Promise<never> {
    const { after = 0 } = request.query
    const query = { after: lastEventId(request) ?? after, filters }
    // Where the database is away, the client waits for it; a failure would end a browser's attempts.
    const page = await feed.recent({ ...query, limit: 1 }).catch(() => undefined)
    if (page) requireKnown(page, query.after)
    reply.type(types.events).header('x-accel-buffering', 'no')
    if (request.method === 'HEAD') return reply.send() as never
    const { signal, end } = begin(request)
    void sendEvents(openAnswer(reply), feed, query, signal).finally(end)
    return reply as never
  }
}

function pageOf(page: Page, after: number) {
  requireKnown(page, after)
  return { items: page.entries.map(({ change }) => change), next: page.next }
}

function requireKnown({ isKnown }: Page, after: number): void {
  if (isKnown) return
  const what = `The feed does not have the position ${after}: it is another feed, or an older copy of this one.`
  throw new Problem(housingKinds['position-gone'], `${what} Export the houses again, and go on from its Feed-Position.`)
}

function lastEventId({ headers }: FastifyRequest): number | undefined {
  const id = headers['last-event-id']
  if (id === undefined || id === '') return undefined
  if (!/^\d{1,15}$/.test(String(id)))
    throw invalidParameter('Last-Event-ID', 'position', 'must be the position of an event.')
  return Number(id)
}
