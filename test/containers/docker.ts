import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** The base image of the Dockerfile. */
export const base = /^ARG NODE_IMAGE=(.+)$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'))?.[1] as string

/** The result of a program; `output` is stdout and stderr together, as people see them. */
export interface Outcome {
  code: number
  stdout: string
  output: string
  seconds: number
}

/** Runs a program until it exits, whatever its exit code; kills it after the deadline. */
export function run(
  program: string,
  args: string[],
  { cwd = root, env = {}, seconds = 240 }: { cwd?: string; env?: NodeJS.ProcessEnv; seconds?: number } = {},
): Promise<Outcome> {
  const begun = performance.now()
  const options = { cwd, env: { ...process.env, ...env }, timeout: seconds * 1000, maxBuffer: 2 ** 28 }
  return new Promise((resolve) =>
    execFile(program, args, options, (error, stdout, stderr) => {
      const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0
      const output = `${stdout}${stderr}`
      resolve({ code, stdout: stdout.trim(), output, seconds: (performance.now() - begun) / 1000 })
    }),
  )
}

/** Runs docker and returns its stdout; if it fails, rejects with everything that it printed. */
export async function docker(...args: string[]): Promise<string> {
  const { code, stdout, output } = await run('docker', args)
  if (code !== 0) throw new Error(`docker ${args.join(' ')} ended with ${code}:\n${output}`)
  return stdout
}

/** A name that is unique on the engine. */
export const unique = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`

/** Starts a container that is removed, with its anonymous volumes, after the tests of the file. */
export async function start(...args: string[]): Promise<string> {
  const id = await docker('run', '--detach', ...args)
  afterTests(() => docker('rm', '--force', '--volumes', id))
  return id
}

const cleanUps: (() => Promise<unknown>)[] = []

/** Runs the clean-up after all tests of the file; the last one registered runs first. */
export function afterTests(cleanUp: () => Promise<unknown>): void {
  cleanUps.push(cleanUp)
}

afterAll(async () => {
  for (const cleanUp of cleanUps.reverse()) await cleanUp()
})

/** Asks until the answer is not undefined, false or empty; rejects after the deadline. */
export async function until<T>(what: string, ask: () => Promise<T | false>, seconds = 120): Promise<T> {
  const end = performance.now() + seconds * 1000
  for (;;) {
    const answer = await ask().catch((error: Error) => {
      if (performance.now() > end) throw error
    })
    if (answer) return answer
    if (performance.now() > end) throw new Error(`Not within ${seconds} s: ${what}`)
    await sleep(50)
  }
}

/** The seconds from the container's start until it is healthy. */
export async function healthy(container: string): Promise<number> {
  interface State {
    StartedAt: string
    Status: string
    Health: { Status: string; Log: { End: string; ExitCode: number }[] }
  }
  const state = await until(`${container} is healthy`, async () => {
    const state: State = JSON.parse(await docker('inspect', '--format', '{{json .State}}', container))
    if (state.Status !== 'running')
      throw new Error(`${state.Status}: ${(await run('docker', ['logs', container])).output}`)
    return state.Health.Status === 'healthy' && state
  })
  const begin = Date.parse(state.StartedAt)
  const ready = state.Health.Log.filter(({ ExitCode }) => ExitCode === 0).map(({ End }) => Date.parse(End))
  return (Math.min(...ready.filter((end) => end > begin)) - begin) / 1000 // the log may begin before the last start
}

/** The URL at which a published port of a container can be reached. */
export const published = async (container: string, port = 3000): Promise<string> =>
  `http://${(await docker('port', container, `${port}`)).split('\n')[0]}`

export interface File {
  mode: string
  size: number
  path: string
}

/** All files in an image, as its containers see them, and an archive with their contents. */
export async function filesOf(image: string, platform?: string): Promise<{ files: File[]; archive: string }> {
  const folder = temporaryFolder()
  const archive = join(folder, 'image.tar')
  const id = await docker('create', ...(platform ? ['--platform', platform] : []), image)
  await docker('export', '--output', archive, id)
  await docker('rm', '--volumes', id)
  const { stdout } = await run('tar', ['--numeric-owner', '-tvf', archive])
  const files = stdout.split('\n').map((line) => {
    const [, mode = '', size = '', path = ''] =
      /^(\S+) \S+ +(\d+) \S+ \S+ (.*?)(?: -> .*| link to .*)?$/.exec(line) ?? []
    return { mode, size: Number(size), path }
  })
  return { files, archive }
}

/** A folder that is removed after the tests of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sample-api-'))
  afterTests(async () => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A copy of the checkout that tests may change, without the files that git ignores. */
export async function checkout(): Promise<string> {
  const folder = temporaryFolder()
  const { stdout } = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'])
  for (const file of stdout.split('\0').filter(Boolean)) cpSync(join(root, file), join(folder, file))
  return folder
}

/** Prints a measurement for people. */
export const tell = (line: string): void => void process.stdout.write(`measured: ${line}\n`)
