import type { Housing, HousingVersion } from '@sample-api/client'
import { useState } from 'preact/hooks'
import { api, hasCode, labels, nameOf, sentence, useLoaded } from './api.ts'
import { notify } from './notice.tsx'
import { Failure, Time } from './parts.tsx'
import { restore } from './writes.ts'

const maxVersions = 200

/** The versions of a house, newest first, with what each changed; any of them can come back. */
export function History({ id, current }: { id: number; current: Housing | undefined }) {
  const key = `${id} ${current?.version}`
  const { data, error, again } = useLoaded(async (signal) => {
    const versions: HousingVersion[] = []
    for await (const version of api.housing.history(id, { signal })) if (versions.push(version) === maxVersions) break
    return versions
  }, key)
  const bringBack = async (version: number) => {
    try {
      await restore({ id, version }, current)
    } catch (error) {
      notify(sentence(error))
    }
    again()
  }
  if (hasCode(error, 'not-found')) return <p class="empty">{sentence(error)}</p>
  if (error && !data) return <Failure error={error} again={again} />
  return (
    <>
      <AsOf id={id} />
      <ol class="history">
        {data?.map((version, i) => (
          <li key={version.version}>
            <p>
              <strong>{version.operation}</strong> <Time at={version.at} />
              {version.by && <> by {version.by}</>} <span class="hint">version {version.version}</span>
            </p>
            <Difference version={version} before={data[i + 1]?.house} />
            {version.operation !== 'deleted' && (i > 0 || !current) && (
              <button type="button" onClick={() => bringBack(version.version)}>
                Restore this version
              </button>
            )}
            {i === 0 && current && data.length > 1 && data[1]?.operation !== 'deleted' && (
              <button type="button" onClick={() => bringBack(version.version - 1)}>
                Undo this change
              </button>
            )}
          </li>
        ))}
      </ol>
      {data?.length === maxVersions && <p class="hint">These are the latest {maxVersions} changes.</p>}
    </>
  )
}

/** What a version changed; all of it for the first. */
function Difference({ version, before }: { version: HousingVersion; before: Housing | undefined }) {
  if (version.changed.length === 0) return null
  return (
    <dl>
      {version.changed.map((member) => (
        <div key={member}>
          <dt>{labels[member]}</dt>
          <dd>
            {before && version.operation !== 'created' && (
              <>
                <del>{before[member]}</del>{' '}
              </>
            )}
            <ins>{version.house[member]}</ins>
          </dd>
        </div>
      ))}
    </dl>
  )
}

/** The house as it was at a time. */
function AsOf({ id }: { id: number }) {
  const [at, setAt] = useState('')
  const { data, error } = useLoaded(
    async (signal) => (at ? api.housing.get(id, { asOf: new Date(at).toISOString(), signal }) : undefined),
    at,
  )
  return (
    <div class="as-of">
      <label>
        As it was at
        <input
          type="datetime-local"
          max="9999-12-31T23:59"
          value={at}
          onInput={(event) => setAt(event.currentTarget.value)}
        />
      </label>
      <p role="status">
        {at &&
          (error
            ? sentence(error)
            : data && `${nameOf(data)}, ${data.city}, ${data.postal_code}, ${data.housing_type}`)}
      </p>
    </div>
  )
}
