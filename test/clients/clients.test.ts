import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { copyFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { serve } from '../support/program.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const contract = join(root, 'openapi.json')
const programs = join(root, 'test/clients/programs')
const bin = join(root, 'node_modules/.bin')

/** The generators stay here from one run to the next; what they generate does not. */
const tools = join(root, 'node_modules/.cache/clients')
const made = await mkdtemp(join(tmpdir(), 'sample-api-clients-'))
await mkdir(tools, { recursive: true })
await writeFile(join(made, 'package.json'), '{ "type": "module" }')
afterAll(() => rm(made, { recursive: true }))

const python = join(tools, 'python/bin/python')
const versions = {
  generator: '7.25.0', // org.openapitools:openapi-generator-cli, from Maven
  oapiCodegen: 'v2.8.2',
  openapiPythonClient: '0.29.1',
  packing: ['publint@0.3.25', '@arethetypeswrong/cli@0.18.5'],
  heyApi: ['@hey-api/openapi-ts@0.94.0', 'typescript@5.9.3'], // later ones need Node 22; it cannot use TypeScript 7
}
const jar = join(tools, `openapi-generator-cli-${versions.generator}.jar`)

const isThere = (command: string) =>
  (process.env.PATH ?? '').split(delimiter).some((dir) => existsSync(join(dir, command)))

/** Runs a command to its end, and answers its output. Rejects with all of it if the command fails. */
async function run(command: string, args: string[], cwd = made, env: Record<string, string> = {}): Promise<string> {
  const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 2 ** 28 }
  const { stdout } = await promisify(execFile)(command, args, options).catch(({ message, stdout, stderr }) => {
    throw new Error(`${message}\n${stdout}${stderr}`.slice(-10_000))
  })
  return stdout
}

/** Fetches a tool unless an earlier run has. */
async function fetched(file: string, fetch: () => Promise<unknown>): Promise<string> {
  if (!existsSync(file)) await fetch()
  return file
}

/** Generates a client with openapi-generator, and answers its folder. */
async function generated(language: string, ...options: string[]): Promise<string> {
  const artefact = `org.openapitools:openapi-generator-cli:${versions.generator}`
  await fetched(jar, () =>
    run('mvn', ['-q', '-B', 'dependency:copy', `-Dartifact=${artefact}`, `-DoutputDirectory=${tools}`]),
  )
  const folder = join(made, language)
  await run('java', ['-jar', jar, 'generate', '-i', contract, '-g', language, '-o', folder, ...options])
  return folder
}

/** Installs Python packages, apart from those of the machine. */
async function pip(...packages: string[]): Promise<void> {
  await fetched(python, () => run('python3', ['-m', 'venv', dirname(dirname(python))]))
  await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...packages])
}

/** Checks the types of a TypeScript client, and of what uses it. */
async function tsc(folder: string): Promise<void> {
  const compilerOptions = {
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    target: 'es2023',
    module: 'preserve',
    allowImportingTsExtensions: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['**/*.ts'] }))
  await run(join(bin, 'tsc'), ['-p', folder])
}

/** What each program does, and prints of it, with an empty registry. */
const seen = {
  pages: [2, 1],
  version: 2,
  refused: 'precondition-failed',
  current_version: 2,
  deleted: 204,
  gone: 'not-found',
  batch: ['create', 'update', 'delete'],
  exported: 2,
  imported: [0, 1, 1], // how many are created, updated, unchanged
}

/** Runs a program with the URL of the real server, which has an embedded database of its own. */
async function works(command: string, args: string[], cwd: string): Promise<void> {
  const { url } = await serve({ env: { DATA_DIR: await mkdtemp(join(made, 'data-')), LOG_LEVEL: 'info' } })
  expect(JSON.parse(await run(command, [...args, url], cwd))).toEqual(seen)
}

/** A client that is made with these commands. Where one is missing, the test is skipped, except in the workflow. */
const client = (name: string, needs: string[], make: () => Promise<void>) =>
  test(name, async ({ skip }) => {
    const missing = needs.filter((command) => !isThere(command))
    skip(missing.length > 0 && process.env.CI !== 'true', `not on the PATH: ${missing.join(', ')}`)
    await make()
  })

describe('openapi-generator', () => {
  client('TypeScript (fetch) compiles and works', ['java', 'mvn'], async () => {
    const folder = await generated('typescript-fetch')
    await copyFile(join(programs, 'program.ts'), join(folder, 'program.ts'))
    await tsc(folder)
    await works(join(bin, 'tsx'), ['program.ts'], folder)
  })

  client('Go compiles and works', ['java', 'mvn', 'go'], async () => {
    const folder = await generated('go', '--additional-properties=packageName=sampleapi,withGoMod=false')
    await rm(join(folder, 'test'), { recursive: true })
    await cp(join(programs, 'main.go'), join(folder, 'program/main.go'))
    await run('go', ['mod', 'init', 'example.org/sampleapi'], folder)
    await run('go', ['mod', 'tidy'], folder)
    await run('go', ['vet', './...'], folder)
    await works('go', ['run', './program'], folder)
  })

  client('Python works', ['java', 'mvn', 'python3'], async () => {
    const folder = await generated('python')
    await pip('--requirement', join(folder, 'requirements.txt'))
    await copyFile(join(programs, 'program.py'), join(folder, 'program.py'))
    await works(python, ['program.py'], folder)
  })

  client('Java compiles', ['java', 'mvn'], async () => {
    await run('mvn', ['-q', '-B', 'compile'], await generated('java', '--library=native'))
  })

  client('Rust compiles', ['java', 'mvn', 'cargo'], async () => {
    await run('cargo', ['check', '--quiet'], await generated('rust'), { CARGO_TARGET_DIR: join(tools, 'rust') })
  })
})

client('oapi-codegen: Go compiles', ['go'], async () => {
  const tool = await fetched(join(tools, 'oapi-codegen'), () =>
    run('go', ['install', `github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@${versions.oapiCodegen}`], made, {
      GOBIN: tools,
    }),
  )
  const folder = join(made, 'oapi-codegen')
  await mkdir(folder)
  await run(tool, ['-generate', 'types,client', '-package', 'sampleapi', '-o', join(folder, 'client.go'), contract])
  await run('go', ['mod', 'init', 'example.org/sampleapi'], folder)
  await run('go', ['mod', 'tidy'], folder)
  await run('go', ['vet', './...'], folder)
})

client('openapi-python-client: each module of it loads', ['python3'], async () => {
  await pip(`openapi-python-client==${versions.openapiPythonClient}`)
  const folder = join(made, 'openapi-python-client')
  const tool = join(dirname(python), 'openapi-python-client')
  const told = await run(tool, ['generate', '--path', contract, '--output-path', folder, '--meta', 'none'])
  expect(told).not.toContain('Could not')
  const loadAll = `import importlib, pkgutil
import client
for module in pkgutil.walk_packages(client.__path__, 'client.'):
    importlib.import_module(module.name)`
  await cp(folder, join(made, 'loaded/client'), { recursive: true })
  await run(python, ['-c', loadAll], join(made, 'loaded'))
})

client('hey-api: TypeScript compiles', ['npm'], async () => {
  const tool = await fetched(join(tools, 'hey-api/node_modules/.bin/openapi-ts'), async () => {
    await mkdir(join(tools, 'hey-api'), { recursive: true })
    await run('npm', ['install', '--no-save', '--prefix', join(tools, 'hey-api'), ...versions.heyApi])
  })
  const folder = join(made, 'hey-api')
  await run(tool, ['--input', contract, '--output', folder])
  const types = await readFile(join(folder, 'types.gen.ts'), 'utf8')
  expect(types).toContain('items: Array<Housing>')
  await tsc(folder)
})

client('publint and Are the types wrong find nothing in the package of our own client', ['npm'], async () => {
  const bin = join(tools, 'packing/node_modules/.bin')
  await fetched(join(bin, 'attw'), async () => {
    await mkdir(join(tools, 'packing'), { recursive: true })
    await run('npm', ['install', '--no-save', '--prefix', join(tools, 'packing'), ...versions.packing])
  })
  const [{ filename }] = JSON.parse(
    await run('npm', ['pack', '--json', '--pack-destination', made], join(root, 'client')),
  )
  expect(await run(join(bin, 'publint'), ['run', '--strict', filename])).toContain('All good!')
  await run(join(bin, 'attw'), [filename, '--profile', 'esm-only'])
})
