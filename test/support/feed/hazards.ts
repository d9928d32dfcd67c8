import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Dice } from '../dice.ts'
import type { Program } from '../restartable.ts'
import type { Round } from './round.ts'

/** Every so many changes a connection to the database is killed, or a program. */
const every = { connection: 60, program: 1000 }

/** Kills connections and programs until the round ends. */
export async function disturb(round: Round, databaseUrl: string, programs: Program[]) {
  const dice = new Dice(`${round.seed} hazards`)
  const killed = { 'connections killed': 0, 'programs killed': 0 }
  const next = { ...every }
  const client = new pg.Client(databaseUrl)
  await client.connect()
  while (round.isRunning) {
    if (round.counts.changes > next.connection) {
      killed['connections killed'] += await killConnection(client, dice)
      next.connection = round.counts.changes + dice.between(1, 2 * every.connection)
    }
    if (round.counts.changes > next.program) {
      const program = dice.pick(programs)
      await program.kill()
      killed['programs killed']++
      await sleep(dice.between(0, 500))
      await program.start()
      next.program = round.counts.changes + dice.between(1, 2 * every.program)
    }
    await sleep(10)
  }
  await client.end()
  return killed
}

/** Of a writer or of a program. */
async function killConnection(client: pg.Client, dice: Dice): Promise<number> {
  const { rows } = await client.query(`select pid from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend' order by pid`)
  if (rows.length === 0) return 0
  await client.query('select pg_terminate_backend($1)', [dice.pick(rows).pid])
  return 1
}
