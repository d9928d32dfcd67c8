import { useState } from 'preact/hooks'
import { api, sentence, signedIn } from './api.ts'
import { download, saveAs } from './download.ts'
import { notify } from './notice.tsx'
import { queryOf } from './query.ts'
import type { Place } from './url.ts'

/** What is shown, as a file. */
export function Export({ place }: { place: Place }) {
  const [isBusy, setBusy] = useState(false)
  const query = queryOf(place)
  const save = async (event: MouseEvent & { currentTarget: HTMLAnchorElement }, format: 'csv' | 'ndjson') => {
    event.preventDefault()
    if (isBusy) return
    const { href } = event.currentTarget
    setBusy(true)
    try {
      // The browser streams a file to the disk. But it cannot send the key, and would save a problem as the file.
      if (!signedIn() && (await isAnswered(href))) download(href)
      else {
        const file = await api.housing.export(query, { format })
        saveAs(`housing.${format}`, await new Response(file.body).blob())
      }
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

const isAnswered = (href: string) =>
  fetch(href, { method: 'HEAD' }).then(
    ({ ok }) => ok,
    () => false,
  )
