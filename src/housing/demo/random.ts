/** Gives the next number of a sequence: at least 0, below 1. */
export type Random = () => number

/** Scrambles 32 bits as the last step of MurmurHash3 does. Different numbers stay different, but far apart. */
function scrambled(bits: number): number {
  const once = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  const twice = Math.imul(once ^ (once >>> 13), 0xc2b2ae35)
  return twice ^ (twice >>> 16)
}

/** A sequence for each index of a seed, the same on every machine. Both are integers and count modulo 2^32. */
export function randomOf(seed: number, index: number): Random {
  let state = scrambled(scrambled(seed) + index)
  return () => {
    state = (state + 0x9e3779b9) | 0 // 2^32 divided by the golden ratio: the steps spread evenly
    return (scrambled(state) >>> 0) / 2 ** 32
  }
}

/** An integer from 0 to `limit` - 1. */
export const below = (limit: number, random: Random): number => Math.floor(random() * limit)

/** An integer from 0 to `limit` - 1; small ones come more often. */
export const low = (limit: number, random: Random): number => Math.floor(random() * random() * limit)

export const pick = <T>(choices: readonly T[], random: Random): T => choices[below(choices.length, random)] as T

/** Picks the first choices more often than the last. */
export const pickPopular = <T>(choices: readonly T[], random: Random): T => choices[low(choices.length, random)] as T

/** The choices, each as many times as its weight (an integer) says, so that {@link pick} picks it so often. */
export const weighted = <T extends string>(weights: Record<T, number>): T[] =>
  Object.entries<number>(weights).flatMap(([choice, weight]) => Array<T>(weight).fill(choice as T))
