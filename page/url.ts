import { useEffect, useState } from 'preact/hooks'

/**
 * The state of the page is its URL. The filters and the order have the names that they have in the API; `house` is the
 * id of the open one, or `new`; `tab` and `view` say what else is shown.
 */
export type Place = Record<string, string | undefined>

/** Members to change; undefined and '' remove one. */
type Changes = Record<string, string | undefined>

export const here = (): Place => Object.fromEntries(new URLSearchParams(location.search))

/** A link to this place with some members changed. */
export function to(changes: Changes): string {
  const place = Object.entries({ ...here(), ...changes }).filter((member): member is [string, string] => !!member[1])
  return `?${new URLSearchParams(place)}`
}

/** Goes to the link, as a new entry of the history, or in place of the present one. */
export function go(link: string, { replace = false } = {}): void {
  history[replace ? 'replaceState' : 'pushState'](null, '', link)
  dispatchEvent(new PopStateEvent('popstate'))
}

/** Follows a click on a link of the page without a reload. Other clicks are left to the browser. */
export function followLink(event: MouseEvent): void {
  const link = (event.target as Element).closest('a')?.getAttribute('href')
  if (!link?.startsWith('?') || event.button !== 0) return
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.defaultPrevented) return
  event.preventDefault()
  go(link)
}

/** The place, again after each navigation. */
export function usePlace(): Place {
  const [place, set] = useState(here)
  useEffect(() => {
    const moved = () => set(here())
    addEventListener('popstate', moved)
    return () => removeEventListener('popstate', moved)
  }, [])
  return place
}
