#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8'
import { Command } from 'commander'
import { settingsHelp, settingsHint } from './commands/settings-help.ts'
import { UsageError } from './commands/usage-error.ts'
import { type Config, ConfigError, readConfig } from './config/config.ts'
import { version } from './version.ts'

// Lets V8's young generation grow to its full size at once. By default it grows slowly, and while it is small the
// collector takes up to half of the time (measured; the fewer cores, the more).
setFlagsFromString('--semi-space-growth-factor=16')
// Without this V8 allocates the array of rows that pg fills for each statement as old, and so all that is ever read stays
// until the next full collection.
setFlagsFromString('--no-allocation-site-pretenuring')

/** Reads the settings, and removes the variables PG*, which pg would read for every option that it is not given. */
function readSettings(): Config {
  const config = readConfig(process.env)
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) delete process.env[name]
  return config
}

const program = new Command('sample-api')
  .description('A registry of homes over HTTP and Postgres.')
  .version(version)
  .configureOutput({
    // A secret that was given as an option is not repeated.
    outputError: (text, write) =>
      write(text.replace(/(--[\w-]+)=[^']*/, '$1') + settingsHint(text, process.argv.slice(2))),
  })
program.addHelpText('after', () => `\n${settingsHelp(program.createHelp())}`)

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

const formatOption = ['--format <name>', 'csv or ndjson; without it, the name of the file decides'] as const
const urlOption = ['--url <url>', 'use the API that runs there, with the key in API_KEY'] as const

const exporting = program
  .command('export')
  .description('write the houses that match to a file, or to stdout')
  .argument('[file]')
  .option(...formatOption)
  .option(...urlOption)
for (const name of ['postal_code', 'city', 'street', 'housing_type', 'updated_since', 'q', 'sort'])
  exporting.option(`--${name.replace('_', '-')} <value>`, `as the parameter ${name} of the list`)
exporting.action(async (file, { format, url, ...filters }) =>
  (await import('./commands/export.ts')).exportFile(readWarning(), file, { format, url, filters }),
)

program
  .command('import')
  .description('import houses from a file, or from stdin; a new embedded database is made if there is none')
  .argument('[file]')
  .option(...formatOption)
  .option('--on-error <what>', 'abort: if a row is wrong, nothing is stored; skip: the other rows are', 'abort')
  .option('--dry-run', 'store nothing, and say what would be stored')
  .option('--rejected <file>', 'write the rejected rows there, with what is wrong with them')
  .option(...urlOption)
  .action(async (file, options) => (await import('./commands/import.ts')).importFile(readWarning(), file, options))

program
  .command('demo')
  .description('add invented houses, to have something to look at')
  .option('--houses <n>', 'how many', '1000')
  .option('--seed <n>', 'another number invents other houses', '1')
  .option('--edits <n>', 'how many of them to change afterwards, for a history', '0')
  .option('--live', 'go on changing one each second until Ctrl-C')
  .option(...urlOption)
  .action(async (options) => (await import('./commands/demo.ts')).demo(readWarning(), options))

program
  .command('backup')
  .description(
    'write all data to one file, also while the API writes to its server; an embedded database while it is stopped',
  )
  .argument('<file>', 'a file, or - for stdout')
  .option('--force', 'replace the file if it exists')
  .action(async (file, options) => (await import('./commands/backup.ts')).backup(readWarning(), file, options))

program
  .command('restore')
  .description('restore a backup into an empty database, on a server or embedded, while no API uses it')
  .argument('<file>')
  .option('--dry-run', 'check the file, and change nothing')
  .action(async (file, options) => (await import('./commands/restore.ts')).restore(readWarning(), file, options))

program
  .command('settings')
  .description('check the settings, and print what is in effect, without secrets')
  .option('--json', 'as JSON, for programs')
  .action(async (options) =>
    (await import('./commands/settings.ts')).printSettings(readWarning(), process.env, options),
  )

program
  .command('doctor')
  .description(
    'examine settings and database, say what to do about what is wrong, and change nothing (exit code 0 or 1)',
  )
  .option('--json', 'as JSON, for programs')
  .action(async (options) => (await import('./commands/doctor.ts')).doctor(readSettings, options))

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
