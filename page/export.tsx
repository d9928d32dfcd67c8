import { useState } from 'preact/hooks'
import { api, sentence, signedIn } from './api.ts'
import { notify } from './notice.tsx'
import { queryOf } from './query.ts'
import type { Place } from './url.ts'

/** What is shown, as a file. */
export function Export({ place }: { place: Place }) {
  const [isBusy, setBusy] = useState(false)
  const query = queryOf(place)
  const save = async (event: Event, format: 'csv' | 'ndjson') => {
    if (!signedIn()) return // the browser saves what the link answers
    event.preventDefault() // a link cannot send the key
    setBusy(true)
    try {
      const file = await api.housing.export(query, { format })
      saveAs(`housing.${format}`, await new Response(file.body).blob())
    } catch (error) {
      notify(sentence(error))
    }
    setBusy(false)
  }
  return (
    <details name="filters" class="export">
      <summary class="button">{isBusy ? 'Exporting …' : 'Export'}</summary>
      <div class="sheet">
        {(['csv', 'ndjson'] as const).map((format) => (
          <a
            key={format}
            class="choice"
            href={`api/v2/housing/export?${new URLSearchParams({ ...query, format } as Record<string, string>)}`}
            download
            onClick={(event) => save(event, format)}
          >
            {format.toUpperCase()}
          </a>
        ))}
      </div>
    </details>
  )
}

/** Saves bytes as a file of this name. */
export function saveAs(name: string, blob: Blob): void {
  const href = URL.createObjectURL(blob)
  Object.assign(document.createElement('a'), { href, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(href), 60_000)
}
