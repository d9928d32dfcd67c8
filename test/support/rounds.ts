import { Dice } from './dice.ts'

/** Whether this is `npm run faults`, which takes its time. */
export const isLong = process.env.FAULTS === 'long'

/** How often what depends on chance is tried: once in `npm test`, as often as `npm run faults -- --rounds` says there. */
export const rounds = Number(process.env.ROUNDS ?? 1)

/** Random decisions for a test, the same for the same `npm run faults -- --seed`. */
export const diceFor = (test: string) => new Dice(`${process.env.SEED ?? 1} ${test}`)
