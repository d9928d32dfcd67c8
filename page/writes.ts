import type { Housing, HousingInput } from '@sample-api/client'
import { api, hasCode, nameOf } from './api.ts'
import { type Change, changed, outdated, showOwn } from './live.ts'
import { notify } from './notice.tsx'

// Each write is shown by the whole page at once, and can be undone from its notice.

export async function add(input: HousingInput, key: string): Promise<Housing> {
  const house = await api.housing.create(input, { key })
  show('created', house)
  outdated.emit()
  notify(`${nameOf(house)} added.`, () => deleteQuietly(house))
  return house
}

/** Changes a house that is still in this version. */
export async function change(from: Housing, changes: Partial<HousingInput>): Promise<Housing> {
  const house = await api.housing.patch(from, changes)
  show('updated', house)
  notify(`${nameOf(house)} changed.`, () => restoreQuietly(from, house.version))
  return house
}

export async function remove(house: Housing): Promise<void> {
  await deleteQuietly(house)
  notify(`${nameOf(house)} deleted.`, () => restoreQuietly(house))
}

/** Makes an earlier version of a house the newest; `current` is what it is now, if it is not deleted. */
export async function restore(from: Pick<Housing, 'id' | 'version'>, current: Housing | undefined): Promise<void> {
  const house = await restoreQuietly(from, current?.version)
  const undo = current ? () => restoreQuietly(current, house.version) : () => deleteQuietly(house)
  notify(`${nameOf(house)} is as it was in version ${from.version}.`, undo)
}

async function restoreQuietly({ id, version }: Pick<Housing, 'id' | 'version'>, of?: number): Promise<Housing> {
  const house = await orShow(id, api.housing.restore(id, version, { of }))
  show('restored', house)
  if (of === undefined) outdated.emit() // it was deleted
  return house
}

async function deleteQuietly(house: Housing): Promise<void> {
  await orShow(house.id, api.housing.remove(house))
  show('deleted', { ...house, version: house.version + 1 })
}

function show(operation: Change['operation'], house: Housing): void {
  showOwn({ id: house.id, version: house.version, operation, house })
}

/** Where somebody else was faster, shows what the house is by now, so that the next attempt is about that. */
async function orShow<Result>(id: number, write: Promise<Result>): Promise<Result> {
  try {
    return await write
  } catch (error) {
    if (hasCode(error, 'precondition-failed')) {
      const house = await api.housing.get(id).catch(() => undefined)
      if (house) changed.emit({ id, version: house.version, operation: 'updated', house })
    }
    throw error
  }
}
