import { type HousingInput, type HousingType, Problem } from '@sample-api/client'
import { useEffect, useState } from 'preact/hooks'
import { labels, members, sentence } from './api.ts'
import { Failure, keepFocus } from './parts.tsx'

interface Props {
  values: HousingInput
  types: HousingType[]
  error: unknown
  edit: (values: HousingInput) => void
  save: () => Promise<void>
  verb: string
  isUnchanged?: boolean
  children: preact.ComponentChildren
}

/** The members of a house, each with what is wrong with it below. */
export function HouseForm({ values, types, error, edit, save, verb, isUnchanged = false, children }: Props) {
  const [isBusy, setBusy] = useState(false)
  const faults = error instanceof Problem ? (error.errors ?? []) : []
  const faultOf = (member: keyof HousingInput) => {
    const fault = faults.find(({ pointer }) => pointer === `/${member}`)
    return fault && inPlainWords(member, fault)
  }
  const first = members.find(faultOf)
  useEffect(() => {
    if (first) document.getElementById(first)?.focus()
  }, [error])
  return (
    <form
      noValidate
      onSubmit={async (event) => {
        event.preventDefault()
        if (isBusy) return
        setBusy(true)
        await save()
        setBusy(false)
        keepFocus()
      }}
    >
      {members.map((member) => {
        const fault = faultOf(member)
        const props = {
          id: member,
          name: member,
          value: values[member],
          'aria-invalid': fault !== undefined,
          'aria-describedby': fault && `${member}-fault`,
          onInput: (event: { currentTarget: { value: string } }) =>
            edit({ ...values, [member]: event.currentTarget.value }),
        }
        return (
          <div key={member}>
            <label for={member}>{labels[member]}</label>
            {member === 'housing_type' ? (
              <select {...props}>
                {types.map(({ code, description }) => (
                  <option key={code} value={code}>
                    {description} ({code})
                  </option>
                ))}
                {!types.some(({ code }) => code === values[member]) && (
                  <option value={values[member]}>{values[member] || 'Choose a type'}</option>
                )}
              </select>
            ) : (
              <input autoComplete="off" {...props} />
            )}
            {fault && (
              <span class="fault" id={`${member}-fault`}>
                {fault}
              </span>
            )}
          </div>
        )
      })}
      {error !== undefined && !first && <Failure error={error} />}
      {first && (
        <p role="alert" class="hidden">
          {sentence(error)}
        </p>
      )}
      <p class="actions">
        <button type="submit" class="primary" disabled={isUnchanged}>
          {isBusy ? 'Saving …' : verb}
        </button>
        {children}
      </p>
    </form>
  )
}

type Fault = Problem['errors'][number]

/** What is wrong with a member, for a person who sees a form. */
function inPlainWords(member: keyof HousingInput, { code, detail }: Fault): string {
  if (member === 'housing_type' && code === 'pattern') return 'Choose a type.' // none was chosen: no code of the list fails
  return /^[a-z]/.test(detail) ? `${labels[member]} ${detail}` : detail
}
