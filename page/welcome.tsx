import { newKey } from '@sample-api/client'
import { useRef, useState } from 'preact/hooks'
import { api } from './api.ts'
import demo from './demo.csv'
import { showImported } from './live.ts'
import { notify } from './notice.tsx'
import { Failure } from './parts.tsx'
import { to } from './url.ts'

/** What an empty registry shows: three ways to begin. */
export function Welcome() {
  const [state, set] = useState<{ isBusy: boolean; error?: unknown }>({ isBusy: false })
  const key = useRef(newKey()) // the same for each attempt, so that a lost answer adds nothing twice
  const addDemo = async () => {
    set({ isBusy: true })
    try {
      const answer = await fetch(new URL(demo, import.meta.url))
      if (!answer.ok) throw new Error('The demo data is not there any more. Load the page again.')
      const { created } = await api.housing.import(await answer.blob(), { type: 'text/csv', key: key.current })
      notify(`${created} invented houses added.`)
      await showImported()
    } catch (error) {
      set({ isBusy: false, error })
    }
  }
  return (
    <section class="welcome" aria-label="Ways to begin">
      <h2>No houses yet</h2>
      <p>This is a registry of homes: their address, city, postal code and type. There are three ways to begin:</p>
      <div class="ways">
        <button type="button" class="primary" disabled={state.isBusy} onClick={addDemo}>
          {state.isBusy ? 'Adding …' : 'Look around with demo data'}
        </button>
        <a class="button" href={to({ house: 'new' })}>
          Add a house
        </a>
        <a class="button" href={to({ view: 'import' })}>
          Import a file
        </a>
      </div>
      {state.error !== undefined && <Failure error={state.error} again={addDemo} />}
    </section>
  )
}
