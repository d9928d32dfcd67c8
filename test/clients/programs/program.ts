import { Configuration, type Housing, HousingApi, type Problem, ProblemFromJSON, ResponseError } from './index.ts'

const api = new HousingApi(new Configuration({ basePath: process.argv[2] ?? '' }))

/** The problem document of a request that fails. */
async function failure(request: Promise<unknown>): Promise<Problem> {
  const error = await request.then(
    () => new Error('It did not fail.'),
    (error: unknown) => error,
  )
  if (!(error instanceof ResponseError)) throw error
  return ProblemFromJSON(await error.response.json())
}

const library = {
  address: '735',
  street: 'Broughton Street',
  city: 'Victoria',
  postalCode: 'v8w3h2',
  housingType: 'COP',
}
const [first, second, third] = [
  await api.createHousingRaw({ housingInput: library, idempotencyKey: 'typescript' }),
  await api.createHousingRaw({ housingInput: library }),
  await api.createHousingRaw({ housingInput: library }),
] as const
const [house, other, another] = [await first.value(), await second.value(), await third.value()] as const

const pages: Housing[][] = []
for (let cursor: string | null = ''; cursor !== null; ) {
  const page = await api.listHousing(cursor === '' ? { city: 'victoria', limit: 2 } : { cursor, limit: 2 })
  pages.push(page.items)
  cursor = page.next
}

const { id } = house
const ifMatch = first.raw.headers.get('etag') ?? ''
const patched = await api.patchHousingRaw({ id, ifMatch, housingPatch: { city: 'Saanich' } })
const stale = await failure(api.patchHousing({ id, ifMatch, housingPatch: { city: 'Sooke' } }))
const deleted = await api.deleteHousingRaw({ id, ifMatch: patched.raw.headers.get('etag') ?? '' })
const gone = await failure(api.getHousing({ id }))
const { results } = await api.batchHousing({
  batch: {
    operations: [
      { op: 'create', house: library },
      { op: 'update', id: other.id, version: other.version, house: { city: 'Oak Bay' } },
      { op: 'delete', id: another.id, version: another.version },
    ],
  },
})

const exported = await (await api.exportHousing({ format: 'csv' })).text()
const edited = new Blob([exported.replace('Oak Bay', 'Sooke')])
const asCsv = { headers: { 'Content-Type': 'text/csv' }, body: edited } // instead of rows
const planned = await api.importHousing({ importRow: [], dryRun: 'true' }, asCsv)
const imported = await api.applyImport({ id: planned.importId ?? '' })

process.stdout.write(
  JSON.stringify({
    pages: pages.map((items) => items.length),
    version: (await patched.value()).version,
    refused: stale.code,
    current_version: stale.currentVersion,
    deleted: deleted.raw.status,
    gone: gone.code,
    batch: results.map(({ op }) => op),
    exported: exported.trim().split('\n').length - 1,
    imported: [imported.created, imported.updated, imported.unchanged],
  }),
)
