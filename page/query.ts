import type { ExportQuery } from '@sample-api/client'
import { type Place, to } from './url.ts'

const names = ['q', 'city', 'street', 'postal_code', 'housing_type', 'updated_since'] as const

/** What the place shows, as the query of the API. */
export const queryOf = (place: Place): ExportQuery =>
  Object.fromEntries([...names, 'sort'].flatMap((name) => (place[name] ? [[name, place[name]]] : [])))

/** Whether the place shows less than all houses. */
export const isFiltered = (place: Place) => names.some((name) => place[name])

/** The place without filters. */
export const unfiltered = () => to(Object.fromEntries(names.map((name) => [name, ''])))
