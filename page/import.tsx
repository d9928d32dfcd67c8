import type { FileOptions, ImportReport } from '@sample-api/client'
import { useEffect, useRef, useState } from 'preact/hooks'
import { api } from './api.ts'
import { saveAs } from './download.ts'
import { showImported } from './live.ts'
import { notify } from './notice.tsx'
import { Failure, housesIn, Panel } from './parts.tsx'
import { go, to } from './url.ts'

const closed = { view: '' }
const shownFaults = 100

/** A file of houses: checked first, then applied. */
export function Import() {
  const [file, setFile] = useState<File>()
  const [report, setReport] = useState<ImportReport>()
  const [failure, setFailure] = useState<{ error: unknown; again: () => void }>()
  const [doing, setDoing] = useState('')
  const [isOver, setOver] = useState(false)
  const checking = useRef(new AbortController())
  useEffect(() => {
    // A file that is dropped beside the field would replace the page.
    const ignore = (event: Event) => event.preventDefault()
    for (const name of ['dragover', 'drop']) addEventListener(name, ignore)
    return () => {
      for (const name of ['dragover', 'drop']) removeEventListener(name, ignore)
      checking.current.abort()
    }
  }, [])

  const attempt = async (what: string, work: () => Promise<void>, signal?: AbortSignal) => {
    setDoing(what)
    setFailure(undefined)
    try {
      await work()
    } catch (error) {
      if (signal?.aborted) return
      setFailure({ error, again: () => void attempt(what, work, signal) })
    }
    setDoing('')
  }
  const check = (file: File) => {
    checking.current.abort() // another file may be chosen before the report of the first one is there
    checking.current = new AbortController()
    const { signal } = checking.current
    setFile(file)
    setReport(undefined)
    return attempt(
      'Checking',
      async () => setReport(await api.housing.import(file, { ...kindOf(file), dryRun: true, onError: 'skip', signal })),
      signal,
    )
  }
  const apply = ({ import_id = '', rejected }: ImportReport) =>
    attempt('Importing', async () => {
      const { created, updated } = await api.housing.applyImport(import_id, {
        onError: rejected ? 'skip' : 'abort',
        key: import_id, // a second attempt applies nothing twice
      })
      notify(`${housesIn(created)} added, ${housesIn(updated)} changed.`)
      await showImported()
      go(to(closed))
    })
  const download = (file: File) =>
    attempt('Fetching the rejected rows', async () => {
      const rows = await api.housing.rejectedRows(file, kindOf(file))
      saveAs(`rejected-${file.name.replace(/\.gz$/i, '').replace(/\.json$/i, '.ndjson')}`, await rows.blob())
    })

  return (
    <Panel title="Import a file" close={to(closed)}>
      <label
        class="drop"
        data-over={isOver || undefined}
        onDragOver={(event) => {
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={() => setOver(false)}
        onDrop={(event) => {
          event.preventDefault()
          setOver(false)
          const dropped = event.dataTransfer?.files[0]
          if (dropped) void check(dropped)
        }}
      >
        <strong>{file ? file.name : 'Choose a file, or drop one here'}</strong>
        <input
          type="file"
          accept=".csv,.tsv,.ndjson,.jsonl,.json,.gz,text/csv,application/x-ndjson"
          onChange={(event) => {
            const chosen = event.currentTarget.files?.[0]
            event.currentTarget.value = '' // so that the same file, corrected, can be chosen again
            if (chosen) void check(chosen)
          }}
        />
        <span class="hint">
          CSV with the columns address, street, city, postal_code and housing_type, or NDJSON. A row with an id changes
          that house. Nothing is stored until you apply it.
        </span>
      </label>
      <p role="status">
        {doing ? `${doing} …` : report && `Checked: ${housesIn(report.received)}, ${report.rejected} rejected.`}
      </p>
      {failure && <Failure {...failure} />}
      {report && file && (
        <>
          <dl class="counts">
            {(['received', 'created', 'updated', 'unchanged', 'rejected'] as const).map((count) => (
              <div key={count} data-some={(count === 'rejected' && report.rejected > 0) || undefined}>
                <dt>{count}</dt>
                <dd>{report[count].toLocaleString()}</dd>
              </div>
            ))}
          </dl>
          <p class="actions">
            <button
              type="button"
              class="primary"
              disabled={doing !== '' || report.created + report.updated === 0}
              onClick={() => apply(report)}
            >
              Apply: {housesIn(report.created + report.updated)}
            </button>
            {report.rejected > 0 && (
              <button type="button" disabled={doing !== ''} onClick={() => download(file)}>
                Save the rejected rows
              </button>
            )}
          </p>
          {report.errors.length > 0 && <Faults report={report} />}
        </>
      )}
    </Panel>
  )
}

function Faults({ report: { errors } }: { report: ImportReport }) {
  return (
    <table class="faults">
      <caption>
        What is wrong
        {errors.length > shownFaults && `: the first ${shownFaults}. The rejected rows, as a file, have all of it`}
      </caption>
      <thead>
        <tr>
          <th scope="col">Line</th>
          <th scope="col">Column</th>
          <th scope="col">Fault</th>
        </tr>
      </thead>
      <tbody>
        {errors.slice(0, shownFaults).map(({ line, field, detail }, i) => (
          <tr key={i}>
            <td>{line}</td>
            <td class="code">{field}</td>
            <td>{detail}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** What a file is, by its name. */
function kindOf({ name }: File): FileOptions {
  const [, ending = '', gz] = /\.(ndjson|jsonl|json)?(\.?gz)?$/i.exec(name) ?? []
  const type = { ndjson: 'application/x-ndjson', jsonl: 'application/x-ndjson', json: 'application/json' } as const
  return { type: type[ending.toLowerCase() as keyof typeof type] ?? 'text/csv', ...(gz && { encoding: 'gzip' }) }
}
