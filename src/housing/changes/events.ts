import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { untilGone } from '../../http/transfers.ts'
import type { Feed } from './feed.ts'
import { keepAlive } from './heartbeats.ts'
import type { Entry, FeedQuery, Page } from './queries.ts'

const second = 1000

/** How often a client is told its position, if none of the changes was for it. */
const positionEvery = 60 * second

/** How long a stream lasts. The client comes back, and its credentials are checked again. */
const lifetime = 15 * 60 * second

/** After how long a client comes back whose stream has ended. */
const retry = 2 * second

/** The most changes that are sent at once: the next are read when these are sent. */
const limit = 200

/**
 * Sends the changes after a position as Server-Sent Events, for as long as the client stays; also while the database is
 * away. For a client that does not read, no more than one batch is kept. `stopping` is aborted when the process stops:
 * then the client is told.
 */
export async function sendEvents(
  answer: ServerResponse,
  feed: Feed,
  query: Omit<FeedQuery, 'limit'>,
  stopping: AbortSignal,
): Promise<void> {
  const begun = performance.now()
  const signal = untilGone(answer, stopping)
  const send = async (events: string | Buffer) => {
    if (!signal.aborted && !answer.write(events)) await once(answer, 'drain', { signal }).catch(() => {})
  }

  let { after } = query
  let told = after
  await send(`retry: ${retry}\n\n`)
  const endHeartbeat = keepAlive(answer)
  while (!signal.aborted && performance.now() < begun + lifetime) {
    const page = await feed.next({ ...query, after, limit }, positionEvery, signal).catch(() => undefined)
    if (!page) {
      await sleep(second, undefined, { signal }).catch(() => {})
      continue
    }
    if (!page.isKnown) break // the answer to the client's next request says why
    after = page.next
    if (page.entries.length > 0) await send(eventsOf(page))
    else if (after > told) await send(positionEvent(after))
    told = after
  }
  endHeartbeat()
  if (answer.writableNeedDrain) answer.destroy()
  else answer.end('event: bye\ndata: connect again\n\n')
}

const written = new WeakMap<Page, Buffer>()

/** Written once, however many clients get the page. */
function eventsOf(page: Page): Buffer {
  const events = written.get(page) ?? Buffer.from(page.entries.map(eventOf).join(''))
  written.set(page, events)
  return events
}

const eventOf = ({ change }: Entry) => `id: ${change.position}\nevent: change\ndata: ${JSON.stringify(change)}\n\n`

const positionEvent = (position: number) => `id: ${position}\nevent: position\ndata: ${position}\n\n`
