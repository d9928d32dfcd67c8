import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface Options {
  /** The program's own arguments. */
  command?: string[]
  /** Another way to start it. */
  program?: [string, ...string[]]
  env?: Record<string, string>
  cwd?: string
  /** Whether it gets its own process group, as in a terminal. */
  group?: boolean
}

/** Starts the program as an operator would, with only these settings; it is killed at the end of the test. */
export function start({
  command = [],
  program = [process.execPath, 'dist/main.js'],
  env = {},
  cwd = root,
  group = false,
}: Options = {}) {
  const [file, ...args] = [...program, ...command] as [string, ...string[]]
  const { PATH = '', HOME = '' } = process.env
  const child = spawn(file, args, {
    cwd,
    env: { PATH, HOME, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: group,
  })
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text
    })
  const exit = once(child, 'close') as Promise<[code: number | null, signal: string | null]>
  const pid = child.pid as number
  const signal = (name: NodeJS.Signals | 0) => process.kill(group ? -pid : pid, name)
  onTestFinished(async () => {
    try {
      signal('SIGKILL')
    } catch {} // it has already exited
    await exit
  })
  return {
    pid,
    output,
    signal,
    /** The exit code, or the name of the signal that killed it. */
    exit: exit.then(([code, signal]) => code ?? signal),
    /** The lines of the log, parsed. */
    lines: () =>
      output.stdout
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line)),
    /** Waits until the log contains the text. */
    async says(text: string | RegExp): Promise<string> {
      for (;;) {
        const found = output.stdout.match(text)
        if (found) return found[0]
        if (!isRunning(child)) throw new Error(`It ended and never said ${text}:\n${output.stdout}${output.stderr}`)
        await sleep(10)
      }
    },
  }
}

const isRunning = ({ exitCode, signalCode }: ChildProcess) => exitCode === null && signalCode === null

/** Starts the program and waits until it serves data (or only until it listens). */
export async function serve(options: Options & { until?: 'ready' | 'listening' } = {}) {
  const program = start(options)
  const line = await program.says(/listens on http:\/\/\S+(?=;)/)
  if (options.until !== 'listening') await program.says('Ready: ')
  const url = line.slice('listens on '.length)
  return { ...program, url, port: Number(new URL(url).port) }
}

/** Runs the program until it exits. */
export async function run(options: Options) {
  const program = start(options)
  return { code: await program.exit, ...program.output }
}
