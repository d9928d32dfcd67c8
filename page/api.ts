import { type Housing, type HousingInput, Problem, SampleApi } from '@sample-api/client'
import { useCallback, useEffect, useState } from 'preact/hooks'
import { Signal } from './signal.ts'
import { ofTab } from './storage.ts'
import { go, here, to } from './url.ts'

const home = new URL('.', location.href)

/** A name in storage, of a lock or of a channel. An API below another prefix of the same origin has its own. */
export const scoped = (name: string) => `${name} ${home.pathname}`

/** Where an API key is kept: in this tab, until it is closed. */
const keyName = scoped('api-key')
export const signedIn = () => ofTab.get(keyName) !== undefined

/** From now on requests have another key, or none. */
export const keyChanged = new Signal<void>()

export function signIn(key: string): void {
  ofTab.set(keyName, key)
  if (here().view === 'sign-in') go(to({ view: '' }), { replace: true })
  keyChanged.emit()
}

export function signOut(): void {
  ofTab.remove(keyName)
  keyChanged.emit()
}

export const api = new SampleApi({
  url: home.href,
  key: () => ofTab.get(keyName),
  retries: 2,
})

/** The members of a house that a person can set, by their labels. */
export const labels: Record<keyof HousingInput, string> = {
  address: 'House number or name',
  street: 'Street',
  city: 'City',
  postal_code: 'Postal code',
  housing_type: 'Type',
}
export const members = Object.keys(labels) as (keyof HousingInput)[]

export const inputOf = (house: HousingInput): HousingInput => ({
  address: house.address,
  street: house.street,
  city: house.city,
  postal_code: house.postal_code,
  housing_type: house.housing_type,
})

export const nameOf = ({ address, street }: Pick<Housing, 'address' | 'street'>) => `${address} ${street}`

/** What went wrong, in a sentence for a person. */
export const sentence = (error: unknown): string => {
  if (error instanceof Problem) return error.detail
  if (!navigator.onLine) return 'There is no network. What you typed is kept. Try again when you are online.'
  return error instanceof Error ? error.message : String(error)
}

export const hasCode = (error: unknown, ...codes: string[]): error is Problem =>
  error instanceof Problem && codes.includes(error.code)

/** Whether the API asks for a key, or for another one. */
export const needsKey = (error: unknown) => error instanceof Problem && error.status === 401

/** What `load` gave last, and why it failed last. */
export interface Loaded<Data> {
  data: Data | undefined
  error: unknown
  again: () => void
}

/** Loads when `key` changes, when asked again, and when the network is back. What was there stays until then. */
export function useLoaded<Data>(load: (signal: AbortSignal) => Promise<Data>, key: string): Loaded<Data> {
  const [state, set] = useState<{ key?: string; data?: Data; error?: unknown }>({})
  const [turn, next] = useState(0)
  const again = useCallback(() => next((turn) => turn + 1), [])
  useEffect(() => {
    const leaving = new AbortController()
    load(leaving.signal).then(
      (data) => leaving.signal.aborted || set({ key, data }),
      (error) => leaving.signal.aborted || set((state) => ({ ...(state.key === key && state), error })),
    )
    return () => leaving.abort()
  }, [key, turn])
  useEffect(() => {
    if (!state.error) return
    addEventListener('online', again)
    return () => removeEventListener('online', again)
  }, [state.error])
  return { data: state.data, error: state.error, again }
}
