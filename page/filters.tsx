import type { HousingType } from '@sample-api/client'
import { useEffect, useRef } from 'preact/hooks'
import { Export } from './export.tsx'
import { housesIn } from './parts.tsx'
import { go, type Place, to } from './url.ts'

const texts = [
  ['city', 'City', 'the whole name'],
  ['street', 'Street', 'how it begins'],
  ['postal_code', 'Postal code', 'all of it, or the first three'],
] as const

const hour = 3_600_000
const periods = [
  ['hour', hour],
  ['day', 24 * hour],
  ['week', 7 * 24 * hour],
  ['month', 30 * 24 * hour],
] as const

/** Search and filters, and how many houses match. */
export function Filters(props: { place: Place; types: HousingType[]; count: number | undefined }) {
  const { place, types, count } = props
  useEffect(() => {
    const closeOthers = ({ target }: MouseEvent) => {
      const open = document.querySelector('details[open]')
      if (open && !open.contains(target as Node)) open.removeAttribute('open')
    }
    addEventListener('click', closeOthers)
    return () => removeEventListener('click', closeOthers)
  }, [])
  const chosen = place.housing_type?.split(',') ?? []
  const toggle = (code: string) =>
    go(to({ housing_type: (chosen.includes(code) ? chosen.filter((one) => one !== code) : [...chosen, code]).join() }))
  return (
    <search class="filters">
      <Search value={place.q ?? ''} />
      {texts.map(([name, label, hint]) => (
        <Chip key={name} name={name} label={label} value={place[name]}>
          <form
            onSubmit={(event) => {
              event.preventDefault()
              go(to({ [name]: String(new FormData(event.currentTarget).get(name)).trim() }))
              close(event.currentTarget)
            }}
          >
            <label>
              {label}, {hint}
              <input name={name} defaultValue={place[name]} key={place[name]} maxLength={50} />
            </label>
            <button type="submit">Filter</button>
          </form>
        </Chip>
      ))}
      <Chip name="housing_type" label="Type" value={place.housing_type}>
        {types.map(({ code, description }) => (
          <label key={code} class="choice">
            <input type="checkbox" checked={chosen.includes(code)} onChange={() => toggle(code)} />
            {description} <span class="code">{code}</span>
          </label>
        ))}
      </Chip>
      <Chip name="updated_since" label="Changed" value={place.updated_since && sinceText(place.updated_since)}>
        {periods.map(([period, ms]) => (
          <button
            key={period}
            type="button"
            class="choice"
            onClick={(event) => {
              go(to({ updated_since: new Date(Date.now() - ms).toISOString(), sort: '-updated_at' }))
              close(event.currentTarget)
            }}
          >
            in the last {period}
          </button>
        ))}
      </Chip>
      <div class="found">
        <span role="status">{count !== undefined && housesIn(count)}</span>
        <Export place={place} />
      </div>
    </search>
  )
}

const sinceText = (since: string) => {
  const time = new Date(since)
  const isTime = !Number.isNaN(time.valueOf())
  return `since ${isTime ? time.toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }) : since}`
}

function close(inside: Element): void {
  inside.closest('details')?.removeAttribute('open')
}

/** The placeholder names the key that leads to the search. */
const hasKeys = !matchMedia('(pointer: coarse)').matches

/** Searches while one types, a moment after the last key. */
function Search({ value }: { value: string }) {
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  const input = useRef<HTMLInputElement>(null)
  const sought = useRef(value)
  useEffect(() => {
    // Back, or a link: what is typed meanwhile stays.
    if (input.current && sought.current !== value) input.current.value = value
    sought.current = value
  }, [value])
  useEffect(() => () => clearTimeout(timer.current), [])
  const search = () => {
    clearTimeout(timer.current)
    timer.current = setTimeout(() => {
      sought.current = input.current?.value.trim() ?? ''
      go(to({ q: sought.current }), { replace: true })
    }, 200)
  }
  return (
    <input
      ref={input}
      id="search"
      type="search"
      aria-label="Search address, street and city"
      placeholder={`Search address or city${hasKeys ? '   /' : ''}`}
      defaultValue={value}
      maxLength={100}
      onInput={search}
    />
  )
}

/** A filter: closed it shows its value, with a cross that removes it; open it shows what it can be. */
function Chip(props: { name: string; label: string; value: string | undefined; children: preact.ComponentChildren }) {
  const { name, label, value, children } = props
  return (
    <span class="chip" data-set={!!value || undefined}>
      <details name="filters">
        <summary>{value ? `${label}: ${value}` : label}</summary>
        <div class="sheet">{children}</div>
      </details>
      {value && (
        <a href={to({ [name]: '' })} aria-label={`Remove the filter ${label}`}>
          ×
        </a>
      )}
    </span>
  )
}
