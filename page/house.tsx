import { type Housing, type HousingInput, type HousingType, newKey } from '@sample-api/client'
import { useRef, useState } from 'preact/hooks'
import { api, hasCode, inputOf, members, nameOf, scoped, useLoaded } from './api.ts'
import { Conflict } from './conflict.tsx'
import { History } from './history.tsx'
import { HouseForm } from './house-form.tsx'
import { type Change, changed } from './live.ts'
import { notify } from './notice.tsx'
import { Failure, keepFocus, Panel } from './parts.tsx'
import { useSignal } from './signal.ts'
import { ofTab } from './storage.ts'
import { go, type Place, to } from './url.ts'
import { add, change, remove } from './writes.ts'

const closed = { house: '', tab: '' }

/** The house that is open: what it is, or its history. */
export function House({ place, types }: { place: Place; types: HousingType[] }) {
  const id = Number(place.house)
  const { data: loaded, error, again } = useLoaded((signal) => api.housing.get(id, { signal }), place.house ?? '')
  const [latest, setLatest] = useState<Change>()
  useSignal(changed, (change) => {
    if (change.id !== id) return
    setLatest(change)
    again()
  })
  // A change has the whole house: on a slow network the old values would stay until the answer comes.
  const isNewer = latest && latest.operation !== 'deleted' && latest.version > (loaded?.version ?? Infinity)
  const house = isNewer ? latest.house : loaded
  const isHistory = place.tab === 'history'
  const isGone = hasCode(error, 'not-found')
  const tab = (name: string, label: string) => (
    <a href={to({ tab: name })} aria-current={(place.tab ?? '') === name ? 'page' : undefined}>
      {label}
    </a>
  )
  return (
    <Panel
      title={house ? nameOf(house) : `House ${place.house}`}
      close={to(closed)}
      opener={`[data-row='${place.house}']`}
    >
      <nav class="tabs" aria-label="House">
        {tab('', 'House')}
        {tab('history', 'History')}
      </nav>
      {isHistory && (house || isGone) ? (
        <History id={id} current={isGone ? undefined : house} />
      ) : isGone ? (
        <p class="empty">
          There is no house with the number {place.house}. If there was one, its{' '}
          <a href={to({ tab: 'history' })}>history</a> can bring it back.
          {hasDraft(`${id}`) && ' What you typed is kept, and is here again then.'}
        </p>
      ) : error && !house ? (
        <Failure error={error} again={again} />
      ) : (
        house && <Edit key={house.id} house={house} types={types} />
      )}
    </Panel>
  )
}

/** A new house. */
export function NewHouse({ types }: { types: HousingType[] }) {
  const [draft, setDraft] = useDraft('new')
  const [error, setError] = useState<unknown>()
  const sent = useRef({ text: '', key: '' })
  const values: HousingInput = { address: '', street: '', city: '', postal_code: '', housing_type: '', ...draft }
  const save = async () => {
    try {
      // The same values again have the same key: if only the answer got lost, the house is not added twice.
      const text = JSON.stringify(values)
      if (sent.current.text !== text) sent.current = { text, key: newKey() }
      const house = await add(values, sent.current.key)
      setDraft(undefined)
      go(to({ house: `${house.id}` }))
    } catch (error) {
      setError(error)
    }
  }
  const discard = () => {
    setDraft(undefined)
    setError(undefined)
    keepFocus()
  }
  return (
    <Panel title="Add a house" close={to(closed)}>
      <HouseForm values={values} types={types} error={error} edit={setDraft} save={save} verb="Add">
        <a class="button" href={to(closed)}>
          {draft ? 'Finish later' : 'Cancel'}
        </a>
        {draft && (
          <button type="button" onClick={discard}>
            Discard
          </button>
        )}
      </HouseForm>
    </Panel>
  )
}

function Edit({ house, types }: { house: Housing; types: HousingType[] }) {
  const [draft, setDraft] = useDraft(`${house.id}`)
  const [error, setError] = useState<unknown>()
  const [theirs, setTheirs] = useState<Housing>()
  // The version on which the draft was begun: the house itself may have been changed meanwhile.
  const base = draft?.base ?? house
  const latest = useRef(draft) // what is typed while a save is under way is not part of it
  latest.current = draft
  const changes = changesOf(base, draft)
  const values = { ...inputOf(base), ...changes }

  const save = async (of: Housing, changes: Partial<HousingInput>) => {
    setError(undefined)
    try {
      const saved = await change(of, changes)
      const typed = changesOf(values, latest.current)
      discard()
      if (Object.keys(typed).length > 0) setDraft({ ...typed, base: saved })
    } catch (error) {
      if (!hasCode(error, 'precondition-failed')) return setError(error)
      const mine = { ...inputOf(of), ...changes }
      await api.housing.get(house.id).then((theirs) => {
        if (members.some((member) => theirs[member] !== mine[member])) return setTheirs(theirs)
        discard()
        notify('Somebody else has made the same change.')
      }, setError)
    }
  }
  const removeIt = async () => {
    try {
      await remove(house)
      discard()
      go(to(closed))
    } catch (error) {
      setError(error)
    }
  }
  const discard = () => {
    setDraft(undefined)
    setTheirs(undefined)
    setError(undefined)
    keepFocus()
  }

  if (theirs)
    return (
      <Conflict
        key={theirs.version}
        base={base}
        theirs={theirs}
        mine={values}
        error={error}
        save={save}
        discard={discard}
      />
    )
  return (
    <HouseForm
      values={values}
      types={types}
      error={error}
      edit={(values) => setDraft({ ...values, base })}
      save={() => save(base, changes)}
      verb="Save"
      isUnchanged={Object.keys(changes).length === 0}
    >
      {draft ? (
        <button key="discard" type="button" onClick={discard}>
          Discard
        </button>
      ) : (
        <button key="delete" type="button" class="danger" onClick={removeIt}>
          Delete
        </button>
      )}
    </HouseForm>
  )
}

/** What is typed and not saved yet, and the version on which it was begun. It outlives a reload. */
type Draft = Partial<HousingInput> & { base?: Housing }

const draftName = (of: string) => scoped(`draft-${of}`)
const hasDraft = (of: string) => ofTab.get(draftName(of)) !== undefined

function useDraft(of: string) {
  const name = draftName(of)
  const [draft, set] = useState<Draft | undefined>(() => JSON.parse(ofTab.get(name) ?? 'null') ?? undefined)
  const keep = (draft: Draft | undefined) => {
    if (draft) ofTab.set(name, JSON.stringify(draft))
    else ofTab.remove(name)
    set(draft)
  }
  return [draft, keep] as const
}

/** The members in which the draft differs. */
export function changesOf(base: HousingInput, draft: Partial<HousingInput> = {}): Partial<HousingInput> {
  const changed = members.filter((member) => draft[member] !== undefined && draft[member] !== base[member])
  return Object.fromEntries(changed.map((member) => [member, draft[member]]))
}
