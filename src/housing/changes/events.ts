import { setTimeout as sleep } from 'node:timers/promises'
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
 * The changes after a position as Server-Sent Events, for as long as the client stays; also while the database is away.
 * `leaving` is aborted when the client has gone, `stopping` when the process stops: then the client is told.
 */
export async function* events(
  feed: Feed,
  query: Omit<FeedQuery, 'limit'>,
  { leaving, stopping }: { leaving: AbortSignal; stopping: AbortSignal },
): AsyncGenerator<string> {
  const begun = performance.now()
  const over = AbortSignal.any([leaving, stopping])
  let { after } = query
  let told = { position: after, at: begun }
  yield `retry: ${retry}\n\n`
  while (!over.aborted && performance.now() < begun + lifetime) {
    const page = await feed.next({ ...query, after, limit }, silence, over).catch(() => undefined)
    if (page && !page.isKnown) break // the answer to the client's next request says why
    after = page?.next ?? after
    if (page && page.entries.length > 0) yield page.entries.map(eventOf).join('')
    else if (after > told.position && performance.now() > told.at + positionEvery) yield positionEvent(after)
    else {
      if (!page) await sleep(second, undefined, { signal: over }).catch(() => {})
      if (!over.aborted) yield ':\n\n'
      continue
    }
    told = { position: after, at: performance.now() }
  }
  if (!leaving.aborted) yield 'event: bye\ndata: connect again\n\n'
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
