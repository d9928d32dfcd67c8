import { defineConfig } from 'vitest/config'
import { Totals } from './test/support/totals.ts'

const onBackend = (backend: string) => ({
  extends: true as const,
  test: { name: backend, include: ['{src,client/test}/**/*.test.ts'], env: { BACKEND: backend } },
})

export default defineConfig({
  test: {
    projects: [
      onBackend('embedded'),
      onBackend('server'),
      // What is gathered into batches there is asked one by one here: that loses nothing but speed.
      {
        extends: true,
        test: {
          name: 'ungathered',
          include: ['src/{housing,v1}/**/*.test.ts'],
          env: { BACKEND: 'server', GATHERED: 'no' },
        },
      },
      {
        extends: true,
        test: {
          name: 'program',
          include: ['test/**/*.test.ts'],
          exclude: ['test/{clients,containers,proxies,spreadsheet}/**'],
        },
      },
    ],
    globalSetup: './test/support/setup.ts',
    reporters: ['default', new Totals()],
    maxWorkers: 2,
    isolate: false, // each file has a database of its own, and none has other state: it is loading that takes time
    testTimeout: 30_000,
    hookTimeout: 30_000,
    expect: { poll: { timeout: 20_000 } }, // by default a second, which a busy machine may need
  },
})
