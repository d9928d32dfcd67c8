#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { Command } from 'commander'
import { UsageError } from './commands/usage-error.ts'
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

const keys = program
  .command('keys')
  .description('make, list and end API keys; on an embedded database while the API is stopped')
  .exitOverride(({ exitCode }) => process.exit(exitCode && 2)) // inherited below; the error is printed already

keys
  .command('create')
  .description('make a key, and print it on stdout: it is shown only this once')
  .requiredOption('--name <text>', 'what the key is for, or who has it')
  .requiredOption('--scope <scope...>', 'what the key may do: housing:read, housing:write or housing:admin')
  .option('--expires <duration>', 'how long the key is valid, such as 12h or 365d (at most)', '90d')
  .action(async (options) => (await import('./commands/keys.ts')).createKey(readWarning(), options))

keys
  .command('list')
  .description('list all keys, also those that have ended')
  .option('--json', 'as JSON, for programs')
  .action(async (options) => (await import('./commands/keys.ts')).printKeys(readWarning(), options))

keys
  .command('revoke')
  .description('end a key at once')
  .argument('<id>', 'the id of the key, such as 7f3a9c01')
  .action(async (id) => (await import('./commands/keys.ts')).revoke(readWarning(), id))

keys
  .command('rotate')
  .description('replace a key by a new one with the same name, scopes and lifetime, and print that on stdout')
  .argument('<id>', 'the id of the key to replace, such as 7f3a9c01')
  .option('--overlap <duration>', 'how long the old key stays valid, such as 30m; 0h ends it at once', '24h')
  .action(async (id, options) => (await import('./commands/keys.ts')).rotateKey(readWarning(), id, options))

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
  process.exit(error instanceof ConfigError || error instanceof UsageError ? 2 : 1)
})
