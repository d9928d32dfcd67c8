import { defineConfig } from 'vitest/config'
import { Totals } from '../support/totals.ts'

/** The tests that need nginx, haproxy and Apache: `npm run test:proxies`. */
export default defineConfig({
  test: {
    include: ['test/proxies/*.test.ts'],
    reporters: ['verbose', new Totals()],
    testTimeout: 120_000,
  },
})
