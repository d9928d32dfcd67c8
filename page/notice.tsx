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
  const pending = { text: 'Undoing …' }
  show(pending)
  undo().then(
    () => latest === pending && show({ text: `Undone: ${text}` }), // something else may have been done meanwhile
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
    // always there: screen readers are silent about a region that appears together with its text
    <div role="status">
      {notice && (
        <div class="notice">
          {notice.text}
          {notice.undo && (
            <button type="button" onClick={undo}>
              Undo <kbd>z</kbd>
            </button>
          )}
          <button type="button" class="quiet" aria-label="Close" onClick={() => set(undefined)}>
            ×
          </button>
        </div>
      )}
    </div>
  )
}
