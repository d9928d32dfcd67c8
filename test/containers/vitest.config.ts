import { defineConfig } from 'vitest/config'
import { Totals } from '../support/totals.ts'

/** The tests that need a Docker engine: `npm run test:containers`. */
export default defineConfig({
  test: {
    include: ['test/containers/*.test.ts'],
    reporters: ['verbose', new Totals()],
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 600_000,
  },
})
