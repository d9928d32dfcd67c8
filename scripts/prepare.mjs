// Prepares a checkout to run: installs the packages of the lockfile and builds dist/, each only if needed.
// Runs before anything is installed, on any Node, so it uses no dependency and no syntax that an old Node lacks.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`Sample API needs Node 20.19 or newer, and this is ${process.versions.node}: see https://nodejs.org.`)
  process.exit(1)
}

const json = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {})

/** The packages in a lockfile, except our own, and the optional ones, which only some platforms have. */
const packages = (file) =>
  Object.entries(json(file).packages || {})
    .filter(([path, { link, optional }]) => path.startsWith('node_modules/') && !link && !optional)
    .map(([path, { version }]) => `${path}@${version}`)
    .sort()
    .join()

/** All files below a folder, and the folder itself, whose time changes when a file is deleted. */
const within = (folder) =>
  existsSync(folder) ? [folder, ...readdirSync(folder, { recursive: true }).map((file) => `${folder}/${file}`)] : []

/** The latest modification time of the files, in milliseconds. */
const newest = (files) => Math.max(0, ...files.map((file) => statSync(file).mtimeMs))

const run = (what, command, args) => {
  console.error(`${what} …`)
  const { status } = spawnSync(command, args, { stdio: ['ignore', 2, 2] })
  if (status !== 0) process.exit(status || 1)
}

if (packages('package-lock.json') !== packages('node_modules/.package-lock.json'))
  run('Installing', 'npm', ['ci', '--include=dev', '--no-audit', '--no-fund'])
// the lockfile counts too: dist/ contains packages
const sources = ['src', 'page', 'client/src'].flatMap(within)
if (newest([...sources, 'scripts/build.mjs', 'scripts/page.mjs', 'package-lock.json']) > newest(within('dist')))
  run('Building', 'npm', ['run', '--silent', 'build'])
