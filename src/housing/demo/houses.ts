import type { HousingInput } from '../schemas.ts'
import { type City, cities } from './cities.ts'
import { below, low, pick, type Random, randomOf, weighted } from './random.ts'
import { streetIn } from './streets.ts'

/** Each city once per thousand people, so that large cities get many houses. */
const residents = cities.flatMap((city) => Array<City>(city.people).fill(city))

const typesInMetropolis = weighted({ SFD: 40, MFD: 52, COP: 5, ASL: 3 })
const typesInCity = weighted({ SFD: 60, MFD: 33, COP: 3, ASL: 4 })
const typesInTown = weighted({ SFD: 75, MFD: 19, COP: 1, ASL: 5 })

function typesIn({ people }: City) {
  if (people >= 1000) return typesInMetropolis
  return people >= 100 ? typesInCity : typesInTown
}

/**
 * The house at `index` (from 0) of the endless list that a seed stands for. It depends on these two numbers only.
 * The address is invented; only the city is real, and the first half of the postal code is one of that city.
 */
export function demoHouse(index: number, seed: number): HousingInput {
  const random = randomOf(seed, index)
  const city = pick(residents, random)
  const housing_type = pick(typesIn(city), random)
  return {
    address: housing_type === 'SFD' ? houseNumber(random) : addressOfMany(random),
    street: streetIn(city.streets, random),
    city: city.name,
    postal_code: `${pick(city.areas, random)} ${localUnit(random)}`,
    housing_type,
  }
}

/** One in twenty has a letter, such as 1207A. */
function houseNumber(random: Random): string {
  const letter = random() < 0.05 ? pick(['A', 'B', 'C'], random) : ''
  return `${1 + low(4000, random)}${letter}`
}

/** The address in a building of several homes, mostly with the unit first, such as 302-88. */
function addressOfMany(random: Random): string {
  if (random() < 0.15) return houseNumber(random)
  const unit = random() < 0.5 ? 1 + low(40, random) : 100 * (1 + low(30, random)) + 1 + below(16, random)
  return `${unit}-${1 + low(4000, random)}`
}

const letters = [...'ABCEGHJKLMNPRSTVWXYZ'] // Canada Post's

/** The second half of a postal code. */
function localUnit(random: Random): string {
  return `${below(10, random)}${pick(letters, random)}${below(10, random)}`
}
