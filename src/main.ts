#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { Command } from 'commander'
import { type Config, ConfigError, readConfig } from './config/config.ts'
import { version } from './version.ts'

// Lets V8's young generation grow to its full size at once. By default it grows slowly, and while it is small the
// collector takes up to half of the time (measured; the fewer cores, the more).
setFlagsFromString('--semi-space-growth-factor=16')

/** Reads the settings, and removes the variables PG*, which pg would read for every option that it is not given. */
function readSettings(): Config {
  const config = readConfig(process.env)
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name]
  return config
}

const program = new Command('sample-api')
  .description('A registry of homes over HTTP and Postgres. Its settings are environment variables: see the README.')
  .version(version)

program
  .command('serve')
  .description('serve the API (the default)')
  .action(async () => (await import('./commands/serve.ts')).serve(readSettings()))

program
  .command('migrate')
  .description('apply the missing migrations, then exit')
  .action(async () => (await import('./commands/migrate.ts')).migrate(readWarning()))

program
  .command('settings')
  .description('check the settings, and exit')
  .action(() => void readWarning())

program
  .command('health')
  .description('check that the running API is ready (exit code 0 or 1), for the health check of a container')
  .action(async () => (await import('./commands/health.ts')).health(process.env))

/** Reads the settings for a command without a log, and prints their warnings. */
function readWarning(): Config {
  const config = readSettings()
  for (const warning of config.warnings) process.stderr.write(`sample-api: ${warning}\n`)
  return config
}

const { argv } = process
program.parseAsync(argv.length > 2 ? argv : [...argv, 'serve']).catch((error: Error) => {
  process.stderr.write(`sample-api: ${error.message}\n`)
  process.exit(error instanceof ConfigError ? 2 : 1)
})
