// Runs the tests that docs/faults.md names, and all of test/faults/, in long rounds. What depends on chance is the same for
// the same seed, but for the timing of the machine. Other arguments go to vitest, such as the files to run instead.
//   npm run faults -- --seed 42 --rounds 20
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'

const { values, positionals } = parseArgs({
  options: { seed: { type: 'string' }, rounds: { type: 'string', default: '10' } },
  allowPositionals: true,
})
const { seed = String(Date.now() % 1_000_000), rounds } = values
if (![seed, rounds].every((value) => /^\d+$/.test(value))) throw new Error('--seed and --rounds take a number.')

const named = readFileSync('docs/faults.md', 'utf8').match(/\b(src|test)\/[\w/-]+\.test\.ts(?=: )/g) ?? []
const files = positionals.length > 0 ? positionals : [...new Set(['test/faults/', ...named])]
console.log(`Seed ${seed}, ${rounds} rounds`)
const { status } = spawnSync('vitest', ['run', ...files], {
  stdio: 'inherit',
  env: { ...process.env, FAULTS: 'long', SEED: seed, ROUNDS: rounds },
})
console.log(`That was seed ${seed} with ${rounds} rounds.`)
process.exitCode = status ?? 1
