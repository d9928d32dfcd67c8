import { type HousingChange, Problem } from '@sample-api/client'
import { useState } from 'preact/hooks'
import { api, hasCode, scoped } from './api.ts'
import { Signal, useSignal } from './signal.ts'
import { allowed } from './storage.ts'

/** A change of a house, whoever made it. Those that this page makes itself have no position. */
export type Change = Pick<HousingChange, 'id' | 'version' | 'operation' | 'house'> & { position?: number }

/** Each change of a house, once. */
export const changed = new Signal<Change>()

/** The versions that this page has made itself and has shown already: the feed brings them again. */
const own = new Set<string>()
const versionOf = ({ id, version }: Change) => `${id}-${version}`

/** Shows what this page has done itself. */
export function showOwn(change: Change): void {
  own.add(versionOf(change))
  changed.emit(change)
}

/** The list must be loaded again: this page has added something, or changes were missed. */
export const outdated = new Signal<void>()

/** Up to this position the feed has what this page has imported. */
let imported = 0

/** Shows what this page has imported: the feed brings it again, house by house. */
export async function showImported(): Promise<void> {
  imported = await api.housing.position().catch(() => imported)
  outdated.emit()
}

/** Whether somebody else made the change: it is neither in an import of this page nor one of its own. */
export const isOfOthers = ({ position = 0 }: Change) => position > imported

const liveness = new Signal<boolean>()
let isLive = false
let position: number | undefined

/** What the tab that holds the stream sends to the others. */
type Message = { change: HousingChange } | { isLive: boolean } | 'changes were missed'

/** One tab holds the stream and tells the others: a browser opens no more than six connections to a host. */
const others = allowed(() => new BroadcastChannel(scoped('sample-api')))
let isHolder = false
if (others)
  others.onmessage = ({ data }: MessageEvent<Message | 'new here'>) => {
    if (data !== 'new here') receive(data)
    else if (isHolder) others.postMessage({ isLive })
  }

function receive(message: Message): void {
  if (message === 'changes were missed') outdated.emit()
  else if ('isLive' in message) {
    isLive = message.isLive
    liveness.emit(isLive)
  } else {
    position = message.change.position
    if (!own.delete(versionOf(message.change))) changed.emit(message.change)
  }
}

/** For this tab and, where it has the stream for all, the others. */
function publish(message: Message): void {
  if (isHolder) others?.postMessage(message)
  receive(message)
}

/** Settles once it is known where the feed is: it has every change of what is loaded after that. */
export let begun = Promise.resolve()

async function begin(): Promise<void> {
  position ??= await api.housing.position()
}

/** How long to wait after a failure before the feed is followed again, in milliseconds. */
const pause = 5000

let following = new AbortController()

/** Follows the changes, until the tab is closed, the API asks for a key, or this is called again for another key. */
export async function follow(): Promise<void> {
  following.abort()
  following = new AbortController()
  const { signal } = following
  begun = begin().catch(() => {})
  others?.postMessage('new here')
  // Browsers forbid all this where they forbid storage, and have locks in secure contexts only. Then each tab has a
  // stream of its own.
  if (!others || !navigator.locks) return followAlways(signal)
  const hold = async () => {
    isHolder = true
    await followAlways(signal)
    isHolder = false
  }
  const turn = navigator.locks.request(scoped('sample-api'), { signal }, hold)
  await turn.catch(() => (signal.aborted ? undefined : followAlways(signal)))
}

async function followAlways(signal: AbortSignal): Promise<void> {
  await begun
  for (;;)
    try {
      const hasMissed = position === undefined
      await begin()
      if (hasMissed) publish('changes were missed')
      const onConnection = (isLive: boolean) => publish({ isLive })
      const changes = api.housing.changes({ after: position }, { signal, onConnection })
      for await (const change of changes) publish({ change })
    } catch (error) {
      if (signal.aborted) return
      publish({ isLive: false })
      if (error instanceof Problem && [401, 403].includes(error.status)) return
      if (hasCode(error, 'position-gone')) position = undefined
      await new Promise((resolve) => setTimeout(resolve, pause))
    }
}

/** Whether changes arrive as they happen. */
export function useLiveness(): boolean {
  const [now, set] = useState(isLive)
  useSignal(liveness, set)
  return now
}
