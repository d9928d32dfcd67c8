import type { Housing, HousingInput } from '@sample-api/client'
import { useState } from 'preact/hooks'
import { inputOf, labels, members } from './api.ts'
import { Failure, keepFocus } from './parts.tsx'

interface Props {
  /** The version that was read, the one that somebody else has saved since, and what was typed. */
  base: Housing
  theirs: Housing
  mine: HousingInput
  error: unknown
  save: (of: Housing, changes: Partial<HousingInput>) => Promise<void>
  discard: () => void
}

/** Two changes of one house, side by side. Where only one of them differs from before, it is chosen already. */
export function Conflict({ base, theirs, mine, error, save, discard }: Props) {
  const [isBusy, setBusy] = useState(false)
  const differing = members.filter((member) => theirs[member] !== mine[member])
  const [chosen, choose] = useState(() => {
    const isMine = (member: keyof HousingInput) => mine[member] !== base[member]
    return Object.fromEntries(differing.map((member) => [member, isMine(member) ? mine[member] : theirs[member]]))
  })
  const option = (member: keyof HousingInput, value: string, whose: string) => (
    <td>
      <label>
        <input
          type="radio"
          name={member}
          checked={chosen[member] === value}
          onChange={() => choose({ ...chosen, [member]: value })}
          aria-label={`${labels[member]}: ${whose}, ${value}`}
        />
        {value}
      </label>
    </td>
  )
  return (
    <form
      class="conflict"
      aria-labelledby="conflict"
      onSubmit={async (event) => {
        event.preventDefault()
        const result = { ...inputOf(theirs), ...chosen }
        const changed = members.filter((member) => result[member] !== theirs[member])
        if (changed.length === 0) return discard()
        setBusy(true)
        await save(theirs, Object.fromEntries(changed.map((member) => [member, result[member]])))
        setBusy(false)
        keepFocus()
      }}
    >
      <p id="conflict" role="alert">
        <strong>Somebody else has changed this house meanwhile.</strong> Choose which values to keep. Nothing is saved
        yet.
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Member</span>
            </th>
            <th scope="col">Saved meanwhile</th>
            <th scope="col">Yours</th>
          </tr>
        </thead>
        <tbody>
          {differing.map((member) => (
            <tr key={member}>
              <th scope="row">{labels[member]}</th>
              {option(member, theirs[member], 'saved meanwhile')}
              {option(member, mine[member], 'yours')}
            </tr>
          ))}
        </tbody>
      </table>
      {error !== undefined && <Failure error={error} />}
      <p class="actions">
        <button type="submit" class="primary" disabled={isBusy}>
          Save this
        </button>
        <button type="button" onClick={discard}>
          Discard my changes
        </button>
      </p>
    </form>
  )
}
