import { sql } from 'kysely'
import { beforeAll, expect, test } from 'vitest'
import { startApi } from '../../test/support/api.ts'
import { client, expectProblem, library } from '../../test/support/http.ts'

const { app, db } = await startApi()
const api = client(app)

beforeAll(async () => {
  await sql`create table public.refusal (code text, text text, name text)`.execute(db)
  await sql`
    create function public.refuse() returns trigger language plpgsql security definer as $$
    declare refusal public.refusal;
    begin
      select * into refusal from public.refusal;
      if found then
        raise exception '%', refusal.text using errcode = refusal.code, constraint = refusal.name;
      end if;
      return new;
    end $$`.execute(db)
  await sql`create trigger refuse before insert on housing.housing for each row execute function public.refuse()`.execute(
    db,
  )
})

/** Answers of both versions to a POST that Postgres rejects with this SQLSTATE. */
async function refused(code: string, { text = 'secret words', name = '' } = {}) {
  await sql`delete from public.refusal`.execute(db)
  await sql`insert into public.refusal values (${code}, ${text}, ${name})`.execute(db)
  const { housing_type, ...house } = library
  return {
    answer: await api.post('/api/v2/housing', library),
    version1: await api.post('/api/v1/housing/', { ...house, housing_type_id: 1 }),
  }
}

// Every class of the appendix "PostgreSQL Error Codes", and each code that means something else than its class.
test.each([
  [500, 'internal-error', '03000 0B000 0F000 0Z000 10608 21000 24000 25000 25P02 34000 3B001 UNKWN'],
  [503, 'outcome-unknown', '40003'],
  [
    422,
    'rejected',
    '01000 02000 09000 20000 22000 22001 22021 22P02 22P05 23000 22003 23502 23503 23514 27000 44000 P0000 P0001 P0004',
  ],
  [409, 'conflict', '23001 23505 23P01'],
  [
    503,
    'unavailable',
    '08001 08006 0A000 25006 26000 28000 3D000 40001 40P01 53000 53200 53300 53400 54000 55000 55006 57000 57P01 57P02 57P03 57P04 57P05 72000 F0000 HV000 XX000',
  ],
  [503, 'schema-mismatch', '0L000 0P000 2BP01 2D000 2F000 38000 39P01 3F000 42501 42703 42P01 42883'],
  [503, 'storage-full', '53100 2200H'],
  [503, 'storage-damaged', '58000 58030 58P01 XX001 XX002'],
  [504, 'timeout', '55P03 57014'],
])('a write that Postgres rejects is answered with %i %s after %s', async (status, kind, codes) => {
  for (const code of codes.split(' ')) {
    const { answer, version1 } = await refused(code)
    expectProblem(answer, status, kind)
    expect(version1.statusCode, code).toBe(status)
    expect(version1.json()).toEqual({ detail: expect.any(String) })
    expect(answer.headers['retry-after'] !== undefined, code).toBe(status === 503)
    if (code !== 'P0001') expect(answer.body + version1.body, code).not.toContain('secret')
  }
  await sql`delete from public.refusal`.execute(db)
  expect((await api.get('/api/v2/housing?count=exact')).json().total).toBe(0)
})

test('the answer has what Postgres names: the constraint, or the words of a trigger', async () => {
  const constraint = await refused('23514', { name: 'no_castles' })
  expect(constraint.answer.json().detail).toContain('(constraint no_castles)')
  const trigger = await refused('P0001', { text: 'A castle is not a home.\n' })
  expect(trigger.answer.json().detail).toBe('The database rejects this: A castle is not a home.')
  await sql`delete from public.refusal`.execute(db)
})
