import { type HousingChange, Problem } from '@sample-api/client'
import { useState } from 'preact/hooks'
import { api, hasCode, scoped } from './api.ts'
import { Signal, useSignal } from './signal.ts'

/** A change of a house, by whomever. */
export type Change = Pick<HousingChange, 'id' | 'version' | 'operation' | 'house'>

/** Each change of a house, whoever made it, once. */
export const changed = new Signal<Change>()

/** The versions that this page has made itself and has shown already: the feed brings them again. */
const own = new Set<string>()
const nameOf = ({ id, version }: Change) => `${id}-${version}`

/** Shows what this page has done itself. */
export function showOwn(change: Change): void {
  own.add(nameOf(change))
  changed.emit(change)
}

/** What the list shows is not all that it should: this page has added something. */
export const outdated = new Signal<void>()

const liveness = new Signal<boolean>()
let isLive = false
let position: number | undefined

/** What one tab tells the others. */
type Told = { change: HousingChange } | { isLive: boolean } | 'new here'

/** One tab holds the stream and tells the others: a browser opens no more than six connections to a host. */
const others = new BroadcastChannel(scoped('sample-api'))
let isHolder = false
others.onmessage = ({ data }: MessageEvent<Told>) => {
  if (data !== 'new here') heed(data)
  else if (isHolder) others.postMessage({ isLive })
}

function heed(told: Exclude<Told, 'new here'>): void {
  if ('isLive' in told) {
    isLive = told.isLive
    liveness.emit(isLive)
  } else {
    position = told.change.position
    if (!own.delete(nameOf(told.change))) changed.emit(told.change)
  }
}

function tellAll(told: Exclude<Told, 'new here'>): void {
  others.postMessage(told)
  heed(told)
}

/** Settles once it is known where the feed is: it has every change of what is loaded after that. */
export const begun = begin().catch(() => {})

async function begin(): Promise<void> {
  position ??= await api.housing.position()
}

/** How long to wait after a failure before the feed is followed again, in milliseconds. */
const pause = 5000

/** Follows the changes, until the tab is closed or the API asks for a key. */
export async function follow(): Promise<void> {
  others.postMessage('new here')
  // Web Locks exist in secure contexts only; elsewhere each tab has a stream of its own.
  if (navigator.locks) await navigator.locks.request(scoped('sample-api'), hold)
  else await hold()
}

async function hold(): Promise<void> {
  isHolder = true
  for (;;)
    try {
      await begin()
      const changes = api.housing.changes({ after: position }, { onConnection: (isLive) => tellAll({ isLive }) })
      for await (const change of changes) tellAll({ change })
    } catch (error) {
      tellAll({ isLive: false })
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
