import createClient from 'openapi-fetch'
import type { components, paths } from './contract.ts'

/** What a client in TypeScript looks like, with types generated from openapi.json alone. Answers what it saw. */
export async function program(baseUrl: string) {
  const api = createClient<paths>({ baseUrl })
  const body: components['schemas']['HousingInput'] = {
    address: '735',
    street: 'Broughton Street',
    city: 'Victoria',
    postal_code: 'v8w3h2',
    housing_type: 'COP',
  }
  const created = await api.POST('/api/v2/housing', { body })
  if (!created.data) throw new Error(created.error.detail)
  const path = { id: created.data.id }

  const seen: (string | undefined)[] = []
  let cursor: string | null = null
  do {
    const query: NonNullable<paths['/api/v2/housing']['get']['parameters']['query']> = cursor
      ? { cursor }
      : { city: 'Victoria', sort: '-updated_at', limit: 1 }
    const { data } = await api.GET('/api/v2/housing', { params: { query } })
    seen.push(...(data?.items ?? []).map(({ postal_code }) => postal_code))
    cursor = data?.next ?? null
  } while (cursor)

  const header = { 'If-Match': created.response.headers.get('etag') ?? '' }
  const patched = await api.PATCH('/api/v2/housing/{id}', { params: { path, header }, body: { housing_type: 'MFD' } })
  const stale = await api.DELETE('/api/v2/housing/{id}', { params: { path, header } })
  const exported = await api.GET('/api/v2/housing/export', { params: { query: { format: 'csv' } }, parseAs: 'text' })
  const imported = await api.POST('/api/v2/housing/import', {
    headers: { 'Content-Type': 'text/csv' },
    body: exported.data?.replace('Victoria', 'Saanich') ?? '',
    bodySerializer: (file) => file,
  })
  const deleted = await api.DELETE('/api/v2/housing/{id}', { params: { path, header: { 'If-Match': '*' } } })
  return {
    seen,
    version: patched.data?.version,
    refused: stale.error?.code,
    currentVersion: stale.error?.current_version,
    imported: imported.data,
    deleted: deleted.response.status,
  }
}
