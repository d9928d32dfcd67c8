import { defineConfig } from 'vitest/config'
import { Totals } from '../support/totals.ts'

/** Generated clients, with the generators that people use: `npm run test:clients`. */
export default defineConfig({
  test: {
    include: ['test/clients/*.test.ts'],
    reporters: ['verbose', new Totals()],
    testTimeout: 900_000,
    hookTimeout: 900_000,
  },
})
