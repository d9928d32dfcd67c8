import type { ExportQuery, Housing, HousingType } from '@sample-api/client'
import { useCallback, useEffect, useRef, useState } from 'preact/hooks'
import { api, nameOf, needsKey, sentence, useLoaded } from './api.ts'
import { Filters } from './filters.tsx'
import { begun, type Change, changed, isOfOthers, outdated } from './live.ts'
import { Failure, Time } from './parts.tsx'
import { isFiltered, queryOf, unfiltered } from './query.ts'
import { SignIn } from './sign-in.tsx'
import { useSignal } from './signal.ts'
import { type Place, to } from './url.ts'
import { Welcome } from './welcome.tsx'

/** The most rows at a time; more would make the page slow. */
const maxRows = 2000

/** The houses that match, row by row; more of them when the last ones come into view. */
export function List({ place, types }: { place: Place; types: HousingType[] }) {
  const { rows, more, error, again, count, since } = useRows(queryOf(place))
  const { changes, unseen } = useFresh(rows, since)
  useSignal(outdated, again)

  if (needsKey(error)) return <SignIn problem={sentence(error)} />
  if (rows?.length === 0 && unseen === 0 && !isFiltered(place)) return <Welcome />
  return (
    <section class="list" aria-label="Houses">
      <Filters place={place} types={types} count={count} />
      {unseen > 0 && (
        <button type="button" class="fresh" onClick={again}>
          {unseen === 1 ? '1 change' : `${unseen} changes`} elsewhere in the registry: show
        </button>
      )}
      {rows && rows.length > 0 && (
        <table>
          <thead>
            <tr>
              <Heading place={place} by="id">
                No.
              </Heading>
              <th scope="col">Address</th>
              <Heading place={place} by="city">
                City
              </Heading>
              <Heading place={place} by="postal_code">
                Postal code
              </Heading>
              <th scope="col">Type</th>
              <Heading place={place} by="updated_at">
                Changed
              </Heading>
            </tr>
          </thead>
          <tbody>
            {rows.map((house) => (
              <Row key={house.id} house={house} change={changes.get(house.id)} types={types} open={place.house} />
            ))}
          </tbody>
        </table>
      )}
      {rows?.length === 0 && (
        <p class="empty">
          No house matches. <a href={unfiltered()}>Show all</a>
        </p>
      )}
      {error ? <Failure error={error} again={again} /> : <More rows={rows} more={more} />}
    </section>
  )
}

function Row(props: { house: Housing; change: Change | undefined; types: HousingType[]; open: string | undefined }) {
  const { change, types, open } = props
  const isNewer = change && change.version > props.house.version
  const house = isNewer ? change.house : props.house
  const isDeleted = isNewer && change.operation === 'deleted'
  const type = types.find(({ code }) => code === house.housing_type)
  return (
    <tr class={isDeleted ? 'deleted' : isNewer ? 'changed' : undefined} data-open={open === `${house.id}` || undefined}>
      <td class="code">{house.id}</td>
      <td>
        <a href={to({ house: `${house.id}`, tab: '', view: '' })} data-row={house.id}>
          {nameOf(house)}
        </a>
      </td>
      <td>{house.city}</td>
      <td class="code">{house.postal_code}</td>
      <td title={type?.description}>
        <span class="code">{house.housing_type}</span> <span class="wide">{type?.description}</span>
      </td>
      <td>{isDeleted ? 'deleted' : <Time at={house.updated_at} />}</td>
    </tr>
  )
}

/** A heading that sorts: by its member, then descending, then not. */
function Heading({ place, by, children }: { place: Place; by: string; children: string }) {
  const sort = place.sort ?? 'id'
  const order = sort === by ? 'ascending' : sort === `-${by}` ? 'descending' : undefined
  const next = order === 'ascending' ? `-${by}` : order === 'descending' && by !== 'id' ? '' : by
  return (
    <th scope="col" aria-sort={order}>
      <a href={to({ sort: next === 'id' ? '' : next })}>
        {children}
        <span aria-hidden="true">{order === 'ascending' ? ' ↑' : order === 'descending' ? ' ↓' : ''}</span>
      </a>
    </th>
  )
}

/** What stands below the rows: it loads the next ones when it comes into view. */
function More({ rows, more }: { rows: Housing[] | undefined; more: (() => Promise<void>) | undefined }) {
  const end = useRef<HTMLParagraphElement>(null)
  const isFull = (rows?.length ?? 0) >= maxRows
  useEffect(() => {
    if (!more || isFull || !end.current) return
    const watch = new IntersectionObserver(([entry]) => entry?.isIntersecting && more(), { rootMargin: '600px' })
    watch.observe(end.current)
    return () => watch.disconnect()
  }, [more, isFull, rows?.length]) // again after each page: in a tall window the end may still be in view
  if (!rows) return <p class="empty">Loading …</p>
  if (!more) return null
  if (!isFull)
    return (
      <p ref={end} class="empty">
        Loading more …
      </p>
    )
  return (
    <p class="empty">These are the first {maxRows.toLocaleString()}. Filter to see others, or export all of them.</p>
  )
}

/** The rows after the first page, of which list they are, and why the last page failed. */
interface Further {
  of?: object
  rows: Housing[]
  isEnd: boolean
  error?: unknown
}

/** The rows that are loaded so far, how many match, and how to get more. */
function useRows(query: ExportQuery) {
  const key = JSON.stringify(query)
  const first = useLoaded(async (signal) => {
    await begun
    const since = performance.now()
    const pages = api.housing.list({ ...query, limit: 100 }, { signal }).pages()
    const { value } = await pages.next()
    return { since, signal, pages, page: value ?? { items: [], next: null } }
  }, key)
  const counted = useLoaded(async (signal) => {
    if (!first.data) return undefined
    const pages = api.housing.list({ ...query, limit: 1, count: 'exact' }, { signal }).pages()
    return (await pages.next()).value?.total
  }, `${first.data?.since}`)
  const [further, setFurther] = useState<Further>({ rows: [], isEnd: false })
  const { data } = first
  const isSame = further.of === data?.pages
  const isEnd = isSame ? further.isEnd : data?.page.next === null
  const rows = data && [...data.page.items, ...(isSame ? further.rows : [])]
  const more = useCallback(async () => {
    if (!data) return
    const add = ({ items = [], ...end }: { items?: Housing[]; isEnd: boolean; error?: unknown }) =>
      data.signal.aborted ||
      setFurther(({ of, rows }) => ({ of: data.pages, rows: [...(of === data.pages ? rows : []), ...items], ...end }))
    try {
      const { value, done } = await data.pages.next()
      add({ items: value?.items ?? [], isEnd: done || value.next === null })
    } catch (error) {
      add({ isEnd: false, error })
    }
  }, [data])
  return {
    rows,
    more: isEnd ? undefined : more,
    error: first.error ?? (isSame ? further.error : undefined),
    again: first.again,
    count: counted.data,
    since: data?.since ?? 0,
  }
}

/** The changes since the list was loaded: of houses that it shows, and how many others there are. */
function useFresh(rows: Housing[] = [], since: number) {
  const fresh = useRef({ since, changes: new Map<number, Change>(), others: new Map<number, number>() })
  const { changes, others } = fresh.current
  const [, render] = useState(0)
  const shown = new Set(rows.map(({ id }) => id))
  if (fresh.current.since !== since) {
    fresh.current.since = since
    for (const [id, at] of others) if (at < since || shown.has(id)) others.delete(id)
  }
  useSignal(changed, (change) => {
    if (shown.has(change.id)) changes.set(change.id, change)
    else if (change.operation === 'deleted' || !isOfOthers(change)) others.delete(change.id)
    else others.set(change.id, performance.now())
    requestAnimationFrame(render)
  })
  return { changes, unseen: others.size }
}

/** Moves to the row above (-1) or below (1) the focused one, or to the first. */
export function moveBy(step: number): void {
  const links = [...document.querySelectorAll<HTMLElement>('[data-row]')]
  const open = document.querySelector<HTMLElement>('[data-open] [data-row]')
  const at = links.indexOf(document.activeElement as HTMLElement)
  const from = at < 0 && open ? links.indexOf(open) : at
  links[Math.min(links.length - 1, Math.max(0, from + step))]?.focus()
}
