import { readFileSync } from 'node:fs'
import { root } from './root.ts'

/** This release, as package.json has it. */
export const { version }: { version: string } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
