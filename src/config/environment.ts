import { readFileSync } from 'node:fs'
import { type Name, type secrets, settings } from './settings.ts'

const strayEnds = [
  [/[\r\n]$/, 'ends with a newline'],
  [/\s$/, 'ends with a blank'],
  [/^\s/, 'begins with a blank'],
] as const

/** The text of a secret's file, without the newline at its end. */
export const readSecret = (file: string): string => readFileSync(file, 'utf8').replace(/\r?\n$/, '')

/** The variables, and the problems and warnings that reading them finds. */
export class Environment {
  readonly problems: string[] = []
  readonly warnings: string[] = []
  readonly #variables: NodeJS.ProcessEnv

  constructor(variables: NodeJS.ProcessEnv) {
    this.#variables = variables
  }

  /** The variable's own text; undefined where it is empty or unset. */
  given(name: string): string | undefined {
    return this.#variables[name] || undefined
  }

  /** The names that begin so and have a value. */
  names(prefix: string): string[] {
    return Object.keys(this.#variables).filter((name) => name.startsWith(prefix) && this.given(name))
  }

  /** A secret's own text, or that of the file which `<name>_FILE` names, without the newline at its end. */
  secret(name: (typeof secrets)[number]): string | undefined {
    const file = this.given(`${name}_FILE`)
    if (!file) return this.given(name)
    if (this.given(name)) this.problems.push(`${name} and ${name}_FILE are both set: keep one of them.`)
    try {
      const text = readSecret(file)
      if (text === '') this.problems.push(`${name}_FILE names an empty file: it must hold the value.`)
      return text
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      this.problems.push(`${name}_FILE names a file that cannot be read (${code}): check its path and permissions.`)
      return undefined
    }
  }

  /**
   * Says that a secret begins or ends with what nobody sees and few mean, as the beginning of a sentence; undefined if
   * it does not.
   */
  strayEnd(name: (typeof secrets)[number], secret: string): string | undefined {
    const found = strayEnds.find(([pattern]) => pattern.test(secret))
    const source = this.given(`${name}_FILE`) ? `The file of ${name}_FILE, without its last newline,` : name
    return found && `${source} ${found[1]}`
  }

  text(name: Exclude<Name, (typeof secrets)[number]>): string {
    return this.given(name) ?? settings[name].default
  }

  list(name: 'HOSTS' | 'ORIGINS' | 'TRUST_PROXY' | 'AUTH_ANONYMOUS'): string[] {
    const items = this.text(name).split(',')
    return items.map((item) => item.trim()).filter((item) => item !== '')
  }

  integer(
    name: 'PORT' | 'POSTGRES_PORT' | 'POSTGRES_POOL' | 'METRICS_PORT' | 'DRAIN_SECONDS',
    min: number,
    max: number,
  ): number {
    const value = this.text(name)
    if (!/^\d{1,9}$/.test(value) || Number(value) < min || Number(value) > max)
      this.problems.push(`${name} is "${value}": it must be a whole number from ${min} to ${max}.`)
    return Number(value)
  }

  choice<T extends string>(name: 'AUTH' | 'MIGRATE' | 'LOG_LEVEL' | 'POSTGRES_SSLMODE', allowed: readonly T[]): T {
    const value = this.text(name)
    if (!allowed.includes(value as T))
      this.problems.push(`${name} is "${value}": it must be one of ${allowed.join(', ')}.`)
    return value as T
  }
}
