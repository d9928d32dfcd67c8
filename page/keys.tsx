import { useEffect, useRef } from 'preact/hooks'
import { moveBy } from './list.tsx'
import { undo } from './notice.tsx'
import { ofBrowser } from './storage.ts'
import { go, to } from './url.ts'

const setting = 'keys'
export const areKeysOn = () => ofBrowser.get(setting) !== 'off'

/** What the keys do, by name and in words. */
const actions: Record<string, [does: string, () => void]> = {
  '/': ['search', () => document.getElementById('search')?.focus()],
  j: ['the next house', () => moveBy(1)],
  k: ['the house before', () => moveBy(-1)],
  Enter: ['open it', () => {}], // as any link
  n: ['add a house', () => go(to({ house: 'new', view: '', tab: '' }))],
  h: ['the history of the open house', () => go(to({ tab: 'history' }))],
  z: ['undo what was done last', undo],
  Escape: ['close what is open', closeWhatIsOpen],
  '?': ['this help', openHelp],
}

/** Opens the help. A button does it too, so that keys that are off can be turned on again. */
export function openHelp(): void {
  document.querySelector<HTMLDialogElement>('#help')?.showModal()
}

function closeWhatIsOpen(): void {
  const search = document.getElementById('search')
  const sheet = document.querySelector('details[open]')
  if (sheet) {
    sheet.removeAttribute('open')
    sheet.querySelector('summary')?.focus()
  } else if (document.activeElement === search) search?.blur()
  else document.querySelector<HTMLElement>('[data-closes]')?.click()
}

/** Handles the keys, except those that are typed into something. Returns how to stop. */
export function listenToKeys(): () => void {
  const handle = (event: KeyboardEvent) => {
    const isTyped = (event.target as Element).matches('input:not([type=checkbox], [type=radio]), select, textarea')
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return
    if (isTyped && event.key !== 'Escape') return
    const [, act] = actions[event.key] ?? []
    if (!act) return
    if (event.key !== 'Enter') event.preventDefault()
    act()
  }
  addEventListener('keydown', handle)
  return () => removeEventListener('keydown', handle)
}

/** What the keys do, and whether they do it. */
export function Help({ isOn, turn }: { isOn: boolean; turn: (on: boolean) => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => ofBrowser.set(setting, isOn ? 'on' : 'off'), [isOn])
  return (
    <dialog id="help" ref={dialog} aria-labelledby="help-title">
      <h2 id="help-title">Keyboard</h2>
      <dl>
        {Object.entries(actions).map(([key, [does]]) => (
          <div key={key}>
            <dt>
              <kbd>{key === 'Escape' ? 'Esc' : key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label class="choice">
        <input type="checkbox" checked={isOn} onChange={(event) => turn(event.currentTarget.checked)} />
        Use these keys
      </label>
      <form method="dialog">
        <button type="submit">Close</button>
      </form>
    </dialog>
  )
}
