import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const read = (file: string) => JSON.parse(readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'))
const { overrides, dependencies, devDependencies } = read('package.json')
const { packages } = read('package-lock.json')

interface Locked {
  name: string
  version: string
  integrity?: string
  resolved?: string
  /** Our own. */
  link?: boolean
}

/** Every installed package but our own, also the copies inside others. */
const locked: Locked[] = Object.entries<Omit<Locked, 'name'>>(packages)
  .filter(([path, { link }]) => path.startsWith('node_modules/') && !link)
  .map(([path, entry]) => ({ ...entry, name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length) }))

/** The least version of each major version in use that has the fixes, and the advisories that it fixes. */
const floors: [name: string, versions: string[], advisories: string][] = [
  ['@fastify/static', ['10.1.3'], 'GHSA-83w8-p2f5-377r, GHSA-8pvw-jcv7-9cmj, GHSA-423g-23ch-w7c6'],
  ['fastify', ['5.12.2'], 'CVE-2026-3635, CVE-2026-16732, GHSA-w2qp-rph6-63g4'],
  ['kysely', ['0.28.17'], 'CVE-2026-44635'],
  ['fast-uri', ['3.1.8', '4.1.3'], 'those of 2026'],
]

const partsOf = (version: string) => version.split('-')[0]?.split('.').map(Number) as [number, number, number]

/** Whether a version has the fixes: those of its major version, or all if it is newer than each of them. */
function hasFixes(version: string, least: string[]): boolean {
  const found = partsOf(version)
  const floor = least.map(partsOf).find(([major]) => major === found[0])
  if (!floor) return least.every((each) => found[0] > partsOf(each)[0])
  const differing = floor.findIndex((part, i) => part !== found[i])
  return differing === -1 || (found[differing] as number) > (floor[differing] as number)
}

test.each(floors)('%s is at %s or newer: %s', (name, least) => {
  const versions = locked.filter((entry) => entry.name === name).map(({ version }) => version)
  expect(versions.length, 'remove its row if it is not used any more').toBeGreaterThan(0)
  expect(versions.filter((version) => !hasFixes(version, least))).toEqual([])
})

test.each([
  ['10.1.3', true],
  ['10.1.2', false],
  ['10.2.0', true],
  ['10.0.9', false],
  ['9.9.9', false],
  ['11.0.0', true],
])('a floor of 10.1.3 allows %s: %s', (version, allowed) => expect(hasFixes(version, ['10.1.3'])).toBe(allowed))

test('each package has a checksum, and comes from the public registry', () => {
  for (const { name, integrity, resolved = 'https://registry.npmjs.org/' } of locked) {
    expect(integrity, name).toMatch(/^sha512-/)
    expect(resolved, name).toMatch(/^https:\/\/registry\.npmjs\.org\//)
  }
})

test('nothing holds a package back: overrides name no version, and package.json names exact ones', () => {
  const versionsIn = (value: unknown): string[] =>
    typeof value === 'object' && value ? Object.values(value).flatMap(versionsIn) : [String(value)]
  expect(versionsIn(overrides).filter((version) => !version.startsWith('$'))).toEqual([])
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
    expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[\w.]+)?$/)
})
