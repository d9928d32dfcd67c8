import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { freePort } from './postgres.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The program, as a process that can be ended and started again at the same URL. */
export async function startProgram(env: Record<string, string>, folder = root) {
  const PORT = String(await freePort())
  const url = `http://127.0.0.1:${PORT}`
  let child: ChildProcess
  /** Until it serves data. */
  const start = async (from = folder) => {
    child = spawn(process.execPath, ['dist/main.js'], {
      cwd: from,
      env: { PATH: process.env.PATH, LOG_LEVEL: 'fatal', PORT, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    const signal = () => AbortSignal.timeout(10_000)
    while (!(await fetch(`${url}/readyz`, { signal: signal() }).catch(() => undefined))?.ok) {
      if (child.exitCode !== null) throw new Error(`The program ended with ${child.exitCode}.`)
      await sleep(20)
    }
  }
  const end = async (name: NodeJS.Signals) => {
    const exit = once(child, 'exit')
    if (!child.kill(name)) throw new Error(`The program ended by itself, with ${child.exitCode}.`)
    const [code] = await exit
    return code as number | null
  }
  await start()
  return {
    url,
    start,
    pid: () => child.pid as number,
    signal: (name: NodeJS.Signals) => child.kill(name),
    /** Kills it at once, as nothing else does. */
    kill: () => end('SIGKILL'),
    /** Ends it as an operator does; the exit code. */
    stop: () => end('SIGTERM'),
  }
}

export type Program = Awaited<ReturnType<typeof startProgram>>
