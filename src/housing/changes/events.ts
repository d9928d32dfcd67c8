import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { untilGone } from '../../http/transfers.ts'
import type { Feed, FeedQuery } from './feed.ts'
import type { Entry } from './queries.ts'

const second = 1000

/** How long nothing may be sent, so that no proxy takes the connection for dead. */
const silence = 15 * second

/** How often a client is told its position, if none of the changes was for it. */
const positionEvery = 60 * second

/** How long a stream lasts. The client comes back, and its credentials are checked again. */
const lifetime = 15 * 60 * second

/** After how long a client comes back whose stream has ended. */
const retry = 2 * second

/** The most changes that are sent at once: the next are read when these are sent. */
const limit = 100

/**
 * Sends the changes after a position as Server-Sent Events, for as long as the client stays; also while the database is
 * away. For a client that does not read, no more than one batch is kept. `stopping` is aborted when the process stops:
 * then the client is told. (A heartbeat must allocate little: whatever lives for seconds makes the garbage collection
 * cost more than everything else here.)
 */
export async function sendEvents(
  answer: ServerResponse,
  feed: Feed,
  query: Omit<FeedQuery, 'limit'>,
  stopping: AbortSignal,
): Promise<void> {
  const begun = performance.now()
  const signal = untilGone(answer, stopping)
  const heartbeat = setInterval(() => answer.writableNeedDrain || answer.write(':\n\n'), silence)
  const send = async (text: string) => {
    heartbeat.refresh()
    if (!signal.aborted && !answer.write(text)) await once(answer, 'drain', { signal }).catch(() => {})
  }

  let { after } = query
  let told = after
  await send(`retry: ${retry}\n\n`)
  while (!signal.aborted && performance.now() < begun + lifetime) {
    const page = await feed.next({ ...query, after, limit }, positionEvery, signal).catch(() => undefined)
    if (!page) {
      await sleep(second, undefined, { signal }).catch(() => {})
      continue
    }
    if (!page.isKnown) break // the answer to the client's next request says why
    after = page.next
    if (page.entries.length > 0) await send(page.entries.map(eventOf).join(''))
    else if (after > told) await send(positionEvent(after))
    told = after
  }
  clearInterval(heartbeat)
  if (answer.writableNeedDrain) answer.destroy()
  else answer.end('event: bye\ndata: connect again\n\n')
}

const texts = new WeakMap<Entry, string>()

/** Written once, however many clients get it. */
function eventOf(entry: Entry): string {
  const { change } = entry
  const text = texts.get(entry) ?? `id: ${change.position}\nevent: change\ndata: ${JSON.stringify(change)}\n\n`
  texts.set(entry, text)
  return text
}

const positionEvent = (position: number) => `id: ${position}\nevent: position\ndata: ${position}\n\n`
