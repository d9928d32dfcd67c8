import type { HousingType } from '@sample-api/client'
import { useState } from 'preact/hooks'
import { api } from './api.ts'
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
      () => api.housingTypes.put(type, { isNew: true }),
      () => api.housingTypes.remove(type.code),
    )
  const rename = (type: HousingType, description: string) =>
    change(
      `${type.code} is called ${description}.`,
      () => api.housingTypes.put({ ...type, description }),
      () => api.housingTypes.put(type),
    )
  const remove = (type: HousingType) =>
    change(
      `${type.description} deleted.`,
      () => api.housingTypes.remove(type.code),
      () => api.housingTypes.put(type, { isNew: true }),
    )

  return (
    <Panel title="Housing types" close={to({ view: '' })}>
      {props.error ? <Failure error={props.error} again={again} /> : error !== undefined && <Failure error={error} />}
      <ul class="types">
        {types.map((type) => (
          <Type key={`${type.code} ${type.description}`} type={type} rename={rename} remove={remove} />
        ))}
      </ul>
      <form
        onSubmit={async (event) => {
          event.preventDefault()
          const form = event.currentTarget
          const values = new FormData(form)
          const code = String(values.get('code')).trim().toUpperCase()
          if (await add({ code, description: String(values.get('description')) })) form.reset()
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

interface TypeProps {
  type: HousingType
  rename: (type: HousingType, description: string) => Promise<unknown>
  remove: (type: HousingType) => Promise<unknown>
}

function Type({ type, rename, remove }: TypeProps) {
  const [name, setName] = useState(type.description)
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
          onInput={(event) => setName(event.currentTarget.value)}
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
