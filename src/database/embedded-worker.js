// The same thread from source. In a new thread Node does not read TypeScript by itself; dist/ has the built one under this name.
import { tsImport } from 'tsx/esm/api'

await tsImport('./embedded-worker.ts', import.meta.url)
