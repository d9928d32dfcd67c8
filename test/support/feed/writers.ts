import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { Dice } from '../dice.ts'
import { library } from '../http.ts'
import type { Round } from './round.ts'

/** All writers change these, so that they wait for each other. */
const hot = Array.from({ length: 40 }, (_, i) => i + 1)

const columns = 'address, street, city, postal_code, housing_type_id'
const insertHot = `insert into housing.housing (id, ${columns}) overriding system value
  select id, '1', 'Hot Street', 'Victoria', 'V8W 1P6', 1 from unnest($1::integer[]) id on conflict do nothing`
const insertMany = `insert into housing.housing (${columns})
  select n, 'Cold Street', 'Victoria', 'V9A 1A1', 2 from generate_series(1, $1::integer) n`

/** Changes houses over a connection of its own, and sometimes over an API, until the round ends. */
export async function write(round: Round, url: string, number: number): Promise<void> {
  const dice = new Dice(`${round.seed} writer ${number}`)
  let client: pg.Client | undefined
  while (round.isRunning) {
    if (dice.chance(0.1)) await writeOverApi(round, dice)
    else
      try {
        client ??= await connect(url)
        await writeInTransaction(round, dice, client)
      } catch (error) {
        if (!isExpected(error)) throw error
        round.counts.failed++
        await client?.end().catch(() => {})
        client = undefined
      }
    if (dice.chance(0.2)) await sleep(dice.between(1, 30))
  }
  await client?.end().catch(() => {})
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, options: '-c deadlock_timeout=20ms' })
  client.on('error', () => {}) // it is killed, also while it does nothing
  await client.connect()
  return client
}

/** Deadlocks, conflicts of serializable transactions, ids that are taken meanwhile, and lost connections. */
const isExpected = (error: unknown) =>
  /^(40P01|40001|23505|57P01|08\w+|ECONN\w+)$/.test((error as { code?: string }).code ?? '') ||
  /connection (error|terminated|closed)|not queryable/i.test((error as Error).message)

async function writeInTransaction({ counts }: Round, dice: Dice, client: pg.Client): Promise<void> {
  const isolation = dice.chance(0.9) ? 'read committed' : dice.pick(['repeatable read', 'serializable'])
  const pauses = dice.chance(0.3) ? dice.between(1, 50) : 0
  let rows = 0
  await client.query(`begin isolation level ${isolation}`)
  for (let left = dice.between(1, dice.chance(0.05) ? 60 : 8); left > 0; left--) {
    const isUndone = dice.chance(0.1)
    if (isUndone) await client.query('savepoint before')
    const { rowCount } = await client.query(...statement(dice))
    if (isUndone) await client.query('rollback to before')
    else rows += rowCount ?? 0
    if (pauses > 0) await sleep(dice.between(0, pauses))
  }
  const isCommitted = !dice.chance(0.15)
  await client.query(isCommitted ? 'commit' : 'rollback')
  counts.transactions++
  if (isCommitted) counts.changes += rows
  else counts['rolled back']++
}

function statement(dice: Dice): [text: string, values: unknown[]] {
  const some = Array.from({ length: dice.between(1, 5) }, () => dice.pick(hot))
  const address = String(dice.between(1, 9999))
  return dice.pick<[string, unknown[]]>([
    ['update housing.housing set address = $1 where id = $2', [address, dice.pick(hot)]],
    ['update housing.housing set address = $1 where id = any ($2::integer[])', [address, some]],
    ['delete from housing.housing where id = any ($1::integer[])', [some.slice(0, 2)]],
    [insertHot, [some]],
    [insertMany, [dice.between(1, 60)]],
  ])
}

async function writeOverApi({ apis, counts, differences }: Round, dice: Dice): Promise<void> {
  const one = `/${dice.pick(hot)}`
  const create = { op: 'create', house: library }
  const many = dice.between(1, 10)
  const [method, path, body, changes = 1] = dice.pick<[method: string, path: string, body?: object, changes?: number]>([
    ['POST', '', library],
    ['PATCH', one, { address: String(dice.between(1, 9999)) }],
    ['POST', '/batch', { operations: Array(many).fill(create) }, many],
    ['DELETE', one],
    ['POST', `${one}/versions/1/restore`],
  ])
  const answer = await fetch(`${dice.pick(apis)}/api/v2/housing${path}`, {
    method,
    headers: { 'if-match': '*', ...(body && { 'content-type': 'application/json' }) },
    ...(body && { body: JSON.stringify(body) }),
  }).catch(() => undefined) // it is killed, or its connection is
  const text = await answer?.text().catch(() => undefined)
  if (answer?.ok) counts['by the API'] += changes
  else if (answer && ![404, 409, 412, 503].includes(answer.status))
    differences.push(`${method} ${path} answered ${answer.status}: ${text}`)
}
