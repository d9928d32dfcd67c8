import type { HousingType } from '@sample-api/client'
import { useEffect, useState } from 'preact/hooks'
import { api, hasCode } from './api.ts'
import { notify } from './notice.tsx'
import { Failure, Panel } from './parts.tsx'
import { to } from './url.ts'

/** The housing types: a short list, to add to, rename and delete from. */
export function Types(props: { types: HousingType[]; error: unknown; again: () => void }) {
  const { types, again } = props
  const [error, setError] = useState<unknown>()

  /** Does it, says so, and offers to take it back. */
  const change = async (text: string, work: () => Promise<unknown>, back: () => Promise<unknown>) => {
    setError(undefined)
    try {
      await work()
      notify(text, () => back().finally(again))
      return true
    } catch (error) {
      setError(error)
      return false
    } finally {
      again()
    }
  }
  const add = (type: HousingType) =>
    change(
      `${type.description} added.`,
      () => put(type),
      () => remove(type),
    )
  const rename = (type: HousingType, description: string) => {
    const renamed = { ...type, description: description.trim() }
    return change(
      `${type.code} is called ${renamed.description}.`,
      () => put(renamed, type),
      () => put(type, renamed),
    )
  }
  const removeIt = (type: HousingType) =>
    change(
      `${type.description} deleted.`,
      () => remove(type),
      () => put(type),
    )

  return (
    <Panel title="Housing types" close={to({ view: '' })}>
      {props.error ? <Failure error={props.error} again={again} /> : error !== undefined && <Failure error={error} />}
      <ul class="types">
        {types.map((type) => (
          <Type key={type.code} type={type} rename={rename} remove={removeIt} />
        ))}
      </ul>
      <form
        onSubmit={async (event) => {
          event.preventDefault()
          const form = event.currentTarget
          const values = new FormData(form)
          const code = String(values.get('code')).trim().toUpperCase()
          if (await add({ code, description: String(values.get('description')).trim() })) form.reset()
        }}
      >
        <label>
          Code: three letters
          <input name="code" required maxLength={3} size={4} autoComplete="off" />
        </label>
        <label>
          Name
          <input name="description" required autoComplete="off" />
        </label>
        <p class="actions">
          <button type="submit">Add a type</button>
        </p>
      </form>
    </Panel>
  )
}

// Each write is about a type that still is as the page shows it: somebody else's change is not overwritten.

/** Adds a type, or changes what it was. */
async function put(type: HousingType, was?: HousingType): Promise<void> {
  try {
    await api.housingTypes.put(type, was ? { of: was } : { isNew: true })
  } catch (error) {
    const now = await nameNow(type.code, error)
    if (!was || now !== type.description) throw isCalled(type.code, now) // else somebody has made the same change
  }
}

async function remove(type: HousingType): Promise<void> {
  try {
    await api.housingTypes.remove(type.code, { of: type })
  } catch (error) {
    throw isCalled(type.code, await nameNow(type.code, error))
  }
}

/** What the type is called by now, if the error says that it is not what it was. Any other error is thrown. */
async function nameNow(code: string, error: unknown): Promise<string> {
  if (!hasCode(error, 'precondition-failed')) throw error
  return (await api.housingTypes.get(code)).description
}

const isCalled = (code: string, name: string) => new Error(`Nothing was changed: ${code} is called ${name} by now.`)

interface TypeProps {
  type: HousingType
  rename: (type: HousingType, description: string) => Promise<unknown>
  remove: (type: HousingType) => Promise<unknown>
}

function Type({ type, rename, remove }: TypeProps) {
  const [typed, setTyped] = useState<string>()
  const name = typed ?? type.description
  useEffect(() => {
    if (typed?.trim() === type.description) setTyped(undefined) // it is saved; what somebody else saves leaves it as it is
  }, [type.description])
  return (
    <li>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          void rename(type, name)
        }}
      >
        <span class="code">{type.code}</span>
        <input
          aria-label={`The name of ${type.code}`}
          value={name}
          onInput={(event) => setTyped(event.currentTarget.value)}
        />
        {name === type.description ? (
          <button
            type="button"
            class="quiet danger"
            aria-label={`Delete ${type.description}`}
            onClick={() => remove(type)}
          >
            Delete
          </button>
        ) : (
          <button type="submit">Save</button>
        )}
      </form>
    </li>
  )
}
