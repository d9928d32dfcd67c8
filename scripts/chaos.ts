// Lets clients write houses while the program is killed, stopped and stalled, and its database and the network to it fail.
// Then it compares what clients were told with what is stored. If anything was lost, doubled or torn, it exits with 1.
//   npm run chaos -- --minutes 10 --seed 42 --backend server
//   npm run chaos -- --only kill --times 200     faults of one kind (repeat --only for more), so many of them
//   npm run chaos -- --soak --minutes 60         no faults: the memory of the programs, and how fast it grows
import { parseArgs } from 'node:util'
import { runChaos } from '../test/support/chaos/chaos.ts'
import { faultNames } from '../test/support/chaos/faults.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    times: { type: 'string' },
    seed: { type: 'string' },
    backend: { type: 'string', multiple: true, default: ['server', 'embedded'] },
    only: { type: 'string', multiple: true },
    soak: { type: 'boolean', default: false },
  },
})
const number = (text: string | undefined, otherwise: number) => (text === undefined ? otherwise : Number(text))
const seed = number(values.seed, Date.now() % 1_000_000)
const times = number(values.times, Number.POSITIVE_INFINITY)
const minutes = number(values.minutes, values.times === undefined ? 10 : Number.POSITIVE_INFINITY)
if ([seed, times, minutes].some(Number.isNaN)) throw new Error('--minutes, --times and --seed take a number.')
const unknown = values.only?.find((name) => !faultNames.includes(name))
if (unknown) throw new Error(`There is no fault ${unknown}; there are ${faultNames.join(', ')}.`)

/** By how many MB an hour a line through values, one for each minute, rises. */
function slope(values: number[]): number {
  const [middle, mean] = [(values.length - 1) / 2, values.reduce((sum, value) => sum + value, 0) / values.length]
  const spread = values.reduce((sum, _, i) => sum + (i - middle) ** 2, 0)
  return (60 * values.reduce((sum, value, i) => sum + (i - middle) * (value - mean), 0)) / spread
}

console.log(`Seed ${seed}`)
for (const backend of values.backend) {
  if (backend !== 'server' && backend !== 'embedded') throw new Error('--backend is server or embedded.')
  const only = values.soak ? [] : values.only
  const options = { backend, seed, seconds: minutes * 60, times, only, progress: console.log } as const
  const { found, did, faults, memory } = await runChaos(options)
  console.table({ ...faults, ...did })
  if (values.soak)
    for (const values of memory) console.log(`The memory rises by ${slope(values.slice(1)).toFixed(1)} MB an hour`)
  for (const violation of found.slice(0, 20)) console.log(violation)
  console.log(`${backend}: ${found.length === 0 ? 'all right' : `${found.length} violations, with seed ${seed}`}`)
  if (found.length > 0) process.exitCode = 1
}
