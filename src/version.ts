import { readFileSync } from 'node:fs'

/** The folder of the checkout, or of the image; of a built file, too. */
export const root = new URL('..', import.meta.url)

/** This release, as package.json has it. */
export const { version }: { version: string } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))
