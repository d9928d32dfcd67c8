import { useEffect, useState } from 'preact/hooks'
import { sentence } from './api.ts'

interface Notice {
  text: string
  /** Takes back what the notice is about. */
  undo?: () => Promise<unknown>
}

let show: (notice?: Notice) => void = () => {}
let latest: Notice | undefined

/** Says what was done, and offers to undo it, until it is closed or something else is done. */
export const notify = (text: string, undo?: Notice['undo']): void => show({ text, ...(undo && { undo }) })

/** Undoes what the notice is about, if it can be undone. */
export function undo(): void {
  const { undo, text } = latest ?? {}
  if (!undo) return
  show({ text: 'Undoing …' })
  undo().then(
    () => show({ text: `Undone: ${text}` }),
    (error) => show({ text: `Not undone. ${sentence(error)}`, undo }),
  )
}

export function Notices() {
  const [notice, set] = useState<Notice>()
  useEffect(() => {
    show = set
  }, [])
  latest = notice
  return (
    <div class="notice" role="status" hidden={!notice}>
      {notice?.text}
      {notice?.undo && (
        <button type="button" onClick={undo}>
          Undo <kbd>z</kbd>
        </button>
      )}
      {notice && (
        <button type="button" class="quiet" aria-label="Close" onClick={() => set(undefined)}>
          ×
        </button>
      )}
    </div>
  )
}
