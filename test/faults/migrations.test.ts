import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { catalog, history } from '../support/catalog.ts'
import { remote } from '../support/http.ts'
import { onServer } from '../support/places.ts'
import { run, start } from '../support/program.ts'
import { diceFor, rounds } from '../support/rounds.ts'

vi.setConfig({ testTimeout: 120_000 * rounds })

/** What is in a database that was migrated without any fault. */
async function cleanly() {
  const { env, connect } = await onServer()
  expect((await run({ command: ['migrate'], env })).code).toBe(0)
  return schemaOf(await connect())
}

const schemaOf = async (client: Parameters<typeof catalog>[0]) => [await catalog(client), await history(client)]

test('several instances start at once, and some are killed while they migrate: the schema is as after a clean run', async () => {
  const clean = await cleanly()
  const dice = diceFor('migrations')
  for (let round = 0; round < 3 * rounds; round++) {
    const { env, connect } = await onServer()
    const client = await connect()
    const [survivor, ...others] = Array.from({ length: 3 }, () => start({ env }))
    for (const other of others) {
      await other.says(/Applied|listens/)
      await sleep(dice.between(0, 300))
      other.signal('SIGKILL')
      await other.exit
    }
    await survivor?.says('Ready: ')
    expect(await schemaOf(client)).toEqual(clean)
    const line = (await survivor?.says(/listens on http:\/\/\S+(?=;)/)) as string
    expect((await remote(line.slice('listens on '.length)).post()).status).toBe(201)
    survivor?.signal('SIGTERM')
    expect(await survivor?.exit).toBe(0)
  }
})
