import { defineConfig } from 'vitest/config'
import { Totals } from '../support/totals.ts'

/** The tests that need LibreOffice: `npm run test:spreadsheet`. */
export default defineConfig({
  test: {
    include: ['test/spreadsheet/*.test.ts'],
    reporters: ['verbose', new Totals()],
    testTimeout: 120_000,
  },
})
