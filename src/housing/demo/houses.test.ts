import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checker } from '../../contract/json-schema.ts'
import { PostalCode } from '../postal-code.ts'
import { asStored, HousingInput } from '../schemas.ts'
import { cities } from './cities.ts'
import { demoHouse } from './houses.ts'

const isHousing = checker(HousingInput)
const isPostalCode = checker(PostalCode)

const run = (count: number, seed: number) => Array.from({ length: count }, (_, index) => demoHouse(index, seed))
const houses = run(100_000, 1)
const housesBy = (keyOf: (house: HousingInput) => string) => {
  const groups = new Map<string, HousingInput[]>()
  for (const house of houses) {
    const group = groups.get(keyOf(house))
    if (group) group.push(house)
    else groups.set(keyOf(house), [house])
  }
  return groups
}
const byCity = housesBy(({ city }) => city)
const housesIn = (city: string) => byCity.get(city) ?? []
const isFrench = ({ province, name }: (typeof cities)[number]) => province === 'QC' || name === 'Edmundston'

test('any house of any seed is valid, and stored as it is', () => {
  const anyHouse = fc.tuple(fc.nat(), fc.integer()).map(([index, seed]) => demoHouse(index, seed))
  fc.assert(
    fc.property(anyHouse, (house) => {
      expect(isHousing(house)).toBe(true)
      expect(asStored(house)).toEqual(house)
    }),
  )
  expect(houses.filter((house) => !isHousing(house))).toEqual([])
})

test('the first houses of seed 1 are the same on every machine', () => {
  expect(run(3, 1).map((house) => Object.values(house))).toEqual([
    ['868', 'Pine Crescent', 'Mississauga', 'L4T 5A2', 'SFD'],
    ['1916', 'rue Saint-Jean Est', 'Montréal', 'H2C 5J3', 'SFD'],
    ['2009-1480', 'Regent Lane', 'Winnipeg', 'R3A 4R4', 'MFD'],
  ])
})

test('a house does not depend on those that were made before it', () => {
  fc.assert(
    fc.property(fc.nat(99), fc.integer(), (index, seed) => {
      const alone = demoHouse(index, seed)
      expect(run(100, seed)[index]).toEqual(alone)
      expect(run(index + 1, seed).at(-1)).toEqual(alone)
    }),
  )
})

test('different seeds give different houses', () => {
  const pairs = fc.tuple(fc.integer(), fc.integer()).filter(([one, other]) => one !== other)
  fc.assert(fc.property(pairs, ([one, other]) => void expect(run(10, one)).not.toEqual(run(10, other))))
  const known = new Set(houses.map((house) => JSON.stringify(house)))
  expect(run(1000, 2).filter((house) => known.has(JSON.stringify(house)))).toEqual([])
})

test('hardly any address occurs twice', () => {
  const addresses = new Set(houses.map(({ address, street, city }) => [address, street, city].join()))
  expect(addresses.size).toBeGreaterThan(99_000)
})

const lettersOf = {
  AB: 'T',
  BC: 'V',
  MB: 'R',
  NB: 'E',
  NL: 'A',
  NS: 'B',
  NT: 'X',
  NU: 'X',
  ON: 'KLMNP',
  PE: 'C',
  QC: 'GHJ',
  SK: 'S',
  YT: 'Y',
}

test.each(cities)('the postal codes of $name start as those of $province', ({ province, areas }) => {
  for (const area of areas) {
    expect(isPostalCode(`${area} 1A1`), area).toBe(true)
    expect(lettersOf[province], area).toContain(area[0])
  }
})

test.each([
  ['M', 'Toronto'],
  ['K', 'Kingston, Ottawa, Peterborough'],
  ['L', 'Barrie, Brampton, Hamilton, Markham, Mississauga, Oshawa, St. Catharines, Vaughan'],
  ['P', 'Sault Ste. Marie, Sudbury, Thunder Bay'],
  ['N', 'Guelph, Kitchener, London, Windsor'],
  ['G', 'Lévis, Québec, Rimouski, Saguenay, Sept-Îles, Trois-Rivières'],
  ['J', 'Drummondville, Gatineau, Longueuil, Rouyn-Noranda, Sherbrooke'],
  ['H7', 'Laval'],
  ['H[^7]', 'Montréal'],
  ['X0[ABC]', 'Iqaluit'],
  ['X(0[EG]|1A)', 'Yellowknife'],
])('postal codes with %s belong to %s, which have no others', (start, names) => {
  const area = new RegExp(`^${start}`)
  const some = cities.filter(({ areas }) => areas.some((text) => area.test(text)))
  const all = cities.filter(({ areas }) => areas.every((text) => area.test(text)))
  for (const found of [some, all]) expect(found.map(({ name }) => name).sort()).toEqual(names.split(', ').sort())
})

test('no area is named twice, and no city', () => {
  for (const names of [cities.flatMap(({ areas }) => areas), cities.map(({ name }) => name)])
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
})

test('each house has a postal code of its city, and each area of the table occurs', () => {
  for (const { name, areas } of cities) {
    const found = new Set(housesIn(name).map(({ postal_code }) => postal_code.slice(0, 3)))
    expect([...found].sort(), name).toEqual([...areas].sort())
  }
})

test('all provinces and territories occur', () => {
  const provinces = new Set(cities.filter(({ name }) => housesIn(name).length > 0).map(({ province }) => province))
  expect([...provinces].sort()).toEqual(Object.keys(lettersOf))
})

test('every city occurs about as often as its people say', () => {
  const people = cities.reduce((sum, city) => sum + city.people, 0)
  for (const city of cities) {
    const expected = (houses.length * city.people) / people
    expect(Math.abs(housesIn(city.name).length - expected), city.name).toBeLessThan(5 * Math.sqrt(expected))
  }
  expect(byCity.size).toBe(cities.length)
})

test('the ten largest cities have more houses than any other', () => {
  const byPeople = cities.toSorted((one, other) => other.people - one.people).map(({ name }) => housesIn(name).length)
  expect(byPeople.length).toBeGreaterThan(10)
  expect(Math.min(...byPeople.slice(0, 10))).toBeGreaterThan(Math.max(...byPeople.slice(10)))
})

test('streets are French in French-speaking cities, and only there', () => {
  const french = /^(rue|avenue|boulevard|chemin|place|croissant|montée|allée) [\p{Letter}'. -]+$/u
  const english = /^([A-Z0-9][\w.]* )+([NS][EW]|[A-Z][a-z]+)$/
  for (const city of cities)
    for (const { street } of housesIn(city.name)) {
      if (!(isFrench(city) ? french : english).test(street)) expect.fail(`${street} in ${city.name}`)
    }
})

test('streets have a number and a quadrant only where cities have quadrants', () => {
  const withQuadrant = houses.filter(({ street }) => /^\d+ (Street|Avenue) [NS][EW]$/.test(street))
  expect([...new Set(withQuadrant.map(({ city }) => city))].sort()).toEqual(['Calgary', 'Edmonton', 'Medicine Hat'])
})

test('numbers have the endings that English gives them', () => {
  const endings = { one: 'st', two: 'nd', few: 'rd', other: 'th', zero: '', many: '' }
  const rules = new Intl.PluralRules('en', { type: 'ordinal' })
  const ordinals = new Set(houses.flatMap(({ street }) => street.match(/\d+(st|nd|rd|th)\b/)?.[0] ?? []))
  expect([...ordinals]).toEqual(expect.arrayContaining(['1st', '2nd', '3rd', '11th', '12th', '13th', '21st', '42nd']))
  for (const text of ordinals) expect(text).toBe(`${parseInt(text, 10)}${endings[rules.select(parseInt(text, 10))]}`)
})

test('there are thousands of streets, and the popular ones have many houses', () => {
  const streets = housesBy(({ street, city }) => `${street}, ${city}`)
  expect(streets.size).toBeGreaterThan(5000)
  expect(streets.get('Maple Street, Toronto')?.length).toBeGreaterThan(50)
  expect(streets.get('rue Notre-Dame, Montréal')?.length).toBeGreaterThan(50)
})

test('single-family homes have no unit, most others have one', () => {
  const types = housesBy(({ housing_type }) => housing_type)
  expect([...types.keys()].sort()).toEqual(['ASL', 'COP', 'MFD', 'SFD'])
  for (const [type, those] of types) {
    const units = those.filter(({ address }) => /^\d+-\d+$/.test(address)).length / those.length
    if (type === 'SFD') expect(units).toBe(0)
    else expect(units, type).toBeGreaterThan(0.7)
  }
  expect(houses.some(({ address }) => /^\d+[ABC]$/.test(address))).toBe(true)
})

test('the larger the city, the more apartments', () => {
  const apartments = (city: string) =>
    housesIn(city).filter(({ housing_type }) => housing_type === 'MFD').length / housesIn(city).length
  expect(apartments('Toronto')).toBeGreaterThan(apartments('Halifax'))
  expect(apartments('Halifax')).toBeGreaterThan(apartments('Brandon'))
})
