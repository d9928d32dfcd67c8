// The API from source, and its page built from source, for development: `npm run dev` and Compose start it again whenever
// one of them changes. Runs in tsx, with the arguments of the program.
import { buildPage } from './page.mjs'

buildPage()
await import('../src/main.ts')
