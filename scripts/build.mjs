// Bundles the source into dist/, with the packages that consist of many small files: loading those one by one would
// take a third of the start-up time. Types are checked elsewhere (npm run check).
import { readFileSync, rmSync } from 'node:fs'
import { buildSync } from 'esbuild'
import { buildPage } from './page.mjs'

const inside = ['jose', 'kysely', 'typebox']
const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'))

rmSync('dist', { recursive: true, force: true })
buildSync({
  entryPoints: { main: 'src/main.ts', 'embedded-worker': 'src/database/embedded-worker.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  logLevel: 'warning',
  external: Object.keys(dependencies).filter((name) => !inside.includes(name)),
})
buildPage()
