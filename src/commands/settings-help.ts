import type { Help } from 'commander'
import { isSecret } from '../config/in-effect.ts'
import { settings } from '../config/settings.ts'

/** The settings as a part of the help, as wide as the rest of it. */
export function settingsHelp(help: Help): string {
  const width = Math.max(...Object.keys(settings).map((name) => name.length))
  const items = Object.entries(settings).map(([name, { default: value, meaning }]) => {
    const text = value === '' ? meaning : `${meaning} Default: ${value}`
    return help.formatItem(name, width, text.replaceAll('`', ''), help)
  })
  return ['Settings (environment variables; for a secret, <name>_FILE may name a file with it):', ...items].join('\n')
}

/** What to add to the message about a wrong command line, if somebody took settings for options or arguments. */
export function settingsHint(message: string, words: readonly string[]): string {
  for (const [i, word] of words.entries()) {
    const [, dashes, text = '', value = words[i + 1]] = /^(--)?(\w[\w-]*)(?:=(.*))?$/.exec(word) ?? []
    const name = text.replaceAll('-', '_').toUpperCase()
    if (!(name in settings) || !(dashes || word.includes('='))) continue
    const shown = isSecret(name) || !value || !/^[\w.:/@*-]+$/.test(value) ? '…' : value
    return `Settings are environment variables. Set ${name} before the command: ${name}=${shown} npm start\n`
  }
  return /unknown option/.test(message) ? 'Settings are environment variables: --help lists them.\n' : ''
}
