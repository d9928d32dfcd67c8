import type { Tags } from '../contract/preconditions.ts'
import type { HousingRow, Versions } from './queries.ts'

/** Names one version of one house: strong, as equal versions are equal byte for byte. */
export const etag = ({ id, version }: Pick<HousingRow, 'id' | 'version'>): string => `"${id}-${version}"`

/** The versions of the house that an `If-Match` names; weak tags, and those of other houses, name none. */
export function versionsIn(tags: Tags, id: number): Versions {
  if (tags === '*') return 'any'
  return tags.flatMap(({ weak, tag }) => {
    const version = weak ? undefined : new RegExp(`^${id}-([1-9]\\d{0,9})$`).exec(tag)?.[1]
    return version !== undefined && Number(version) <= 2147483647 ? [Number(version)] : []
  })
}
