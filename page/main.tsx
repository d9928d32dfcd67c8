import { render } from 'preact'
import { useLayoutEffect, useState } from 'preact/hooks'
import { api, keyChanged, signedIn, signOut, useLoaded } from './api.ts'
import { House, NewHouse } from './house.tsx'
import { Import } from './import.tsx'
import { areKeysOn, Help, listenToKeys, openHelp } from './keys.tsx'
import { List } from './list.tsx'
import { follow, useLiveness } from './live.ts'
import { Notices } from './notice.tsx'
import { SignIn } from './sign-in.tsx'
import { Types } from './types.tsx'
import { followLink, to, usePlace } from './url.ts'

function Page() {
  const place = usePlace()
  const types = useLoaded((signal) => api.housingTypes.list({ signal }), '')
  const [keys, setKeys] = useState(areKeysOn)
  useLayoutEffect(() => (keys ? listenToKeys() : undefined), [keys])
  const known = types.data ?? []
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: it handles the clicks on links inside it
    // biome-ignore lint/a11y/useKeyWithClickEvents: a link turns keys into clicks
    <div class="page" onClick={followLink}>
      <Header />
      <main>
        {place.view === 'sign-in' ? <SignIn problem="" /> : <List place={place} types={known} />}
        {place.view === 'types' ? (
          <Types types={known} error={types.error} again={types.again} />
        ) : place.view === 'import' ? (
          <Import />
        ) : place.house === 'new' ? (
          <NewHouse types={known} />
        ) : (
          place.house && <House key={place.house} place={place} types={known} />
        )}
      </main>
      <Notices />
      <Help isOn={keys} turn={setKeys} />
    </div>
  )
}

function Header() {
  const isLive = useLiveness()
  return (
    <header class="top">
      <h1>
        <a href="?">
          <img src={favicon} alt="" width="26" height="26" /> Sample API
        </a>
      </h1>
      <nav aria-label="Registry">
        <a href={to({ house: 'new', view: '', tab: '' })}>Add a house</a>
        <a href={to({ view: 'import', house: '' })}>Import</a>
        <a href={to({ view: 'types', house: '' })}>Types</a>
        <a href="docs">API</a>
        <button type="button" class="quiet" onClick={openHelp}>
          Keyboard
        </button>
        {signedIn() && (
          <button type="button" class="quiet" onClick={signOut}>
            Sign out
          </button>
        )}
      </nav>
      <span class="live" data-live={isLive} role="status">
        {isLive ? 'Live' : 'Not live'}
      </span>
    </header>
  )
}

const favicon = document.querySelector<HTMLLinkElement>('link[rel=icon]')?.href

let key = 0

/** Begins; all over again with another API key, so that nothing stays of what the one before was allowed to see. */
function begin(): void {
  void follow()
  render(<Page key={++key} />, document.body)
}

keyChanged.listen(begin)
begin()
