import { createHook } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'
import { Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { parse } from 'csv-parse/sync'
import fc from 'fast-check'
import { fastify } from 'fastify'
import { sql } from 'kysely'
import { describe, expect, test, vi } from 'vitest'
import { apiOver, backend, startApi } from '../../../test/support/api.ts'
import { client, expectProblem, library as house } from '../../../test/support/http.ts'
import { sweep } from './sweep.ts'

const { app, db, database } = await startApi()
const api = client(app)
const housing = '/api/v2/housing'
const names = ['address', 'street', 'city', 'postal_code', 'housing_type']
const header = names.join()
const row = '735,Broughton Street,Victoria,V8W 3H2,COP'

type Headers = Record<string, string>
const importing = (file: string | Buffer | Readable, query = '', headers: Headers = {}) =>
  app.inject({
    method: 'POST',
    url: `${housing}/import${query}`,
    headers: { 'content-type': 'text/csv', ...headers },
    payload: file,
  })
const ndjson = { 'content-type': 'application/x-ndjson' }
const json = { 'content-type': 'application/json' }

/** The report of an import that succeeds. */
async function report(...of: Parameters<typeof importing>) {
  const answer = await importing(...of)
  expect(answer.statusCode, answer.body).toBe(200)
  const { errors, ...counts } = answer.json()
  return { errors, counts: Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0)) }
}

const list = async () => (await api.get(`${housing}?limit=1000`)).json().items
const exported = async (format: string) => (await api.get(`${housing}/export?format=${format}`)).body
const staged = async () => {
  const { rows } = await sql`select id from housing.imports`.execute(db)
  return rows.length
}

describe('a file', () => {
  test.each([
    ['commas', `${header}\n${row}\n`],
    ['semicolons', `${header};x`.replaceAll(',', ';').replace(';x', `\n${row.replaceAll(',', ';')}\n`)],
    ['tabs', `${header}\n${row}\n`.replaceAll(',', '\t')],
    ['a byte order mark and CRLF', `\ufeff${header}\r\n${row}\r\n`],
    ['CR alone', `${header}\r${row}\r`],
    ['no end of line', `${header}\n${row}`],
    ['quotes', `"address","street",city,postal_code,housing_type\n"735","Broughton Street","Victoria",V8W 3H2,"COP"`],
    ['another order', 'city,housing_type,street,postal_code,address\nVictoria,COP,Broughton Street,v8w3h2,735\n'],
    ['capitals and blanks in the header', ` Address,STREET ,City,Postal_Code,Housing_Type\n${row}\n`],
    ['blank lines, and rows of empty cells', `${header}\n\n,,,,\n \n${row}\n\n\n,,,,\n`],
    ['columns of an export', `id,${header},version,created_at,updated_at\n,${row},,,\n`],
    ['columns of a report', `${header},line,field,code,detail\n${row},2,city,pattern,is invalid\n`],
  ])('of CSV may have %s', async (_, file) => {
    expect(await report(file)).toEqual({ errors: [], counts: { received: 1, created: 1 } })
    expect(await list()).toMatchObject([house])
  })

  test('of NDJSON has an object in each line, and an array is accepted too', async () => {
    const line = JSON.stringify(house)
    expect(await report(`\ufeff${line}\r\n\n${line}\n`, '', ndjson)).toMatchObject({ counts: { created: 2 } })
    expect(await report(`[${line},${line}]`, '', json)).toMatchObject({ counts: { created: 2 } })
    expect(await list()).toMatchObject([house, house, house, house])
  })

  test('may be compressed', async () => {
    const file = gzipSync(`${header}\n${`${row}\n`.repeat(3000)}`)
    expect(await report(file, '', { 'content-encoding': 'gzip' })).toMatchObject({ counts: { created: 3000 } })
  })

  test.each([
    ['a header', `${header},${'x'.repeat(70_000)}\n${row}\n`, {}, 'A header may have at most 65536 bytes'],
    ['a row', `${header}\n${'x'.repeat(70_000)}\n`, {}, 'A row may have at most 65536 bytes'],
    [
      'bytes behind gzip',
      Buffer.concat([gzipSync(`${header}\n${row}\n`), Buffer.from('junk')]),
      { 'content-encoding': 'gzip' },
      'Behind the compressed file are bytes that are not gzip.',
    ],
  ])('is rejected with a sentence that says what is wrong with %s', async (_what, file, headers, detail) => {
    expect((await importing(file, '', headers)).json().detail).toContain(detail)
  })

  test('may be of several compressed parts', async () => {
    const file = Buffer.concat([gzipSync(`${header}\n${row}\n`), gzipSync(`${row}\n`)])
    expect(await report(file, '', { 'content-encoding': 'gzip' })).toMatchObject({ counts: { created: 2 } })
  })

  const blankLines: [string, string, string, string, Headers][] = [
    ['CSV that end with LF', `${header}\n`, '\n', `${row}x\n`, {}],
    ['CSV that end with CRLF', `${header}\r\n`, '\r\n', `${row}x\r\n`, {}],
    ['CSV that end with CR', `${header}\r`, '\r', `${row}x\r`, {}],
    ['NDJSON', '{"city":7}\n', '\n', '{"city":7}\n', ndjson],
    ['NDJSON with blanks', '{"city":7}\n', ' \t\r\n', '{"city":7}\n', ndjson],
  ]
  test.each(blankLines)(
    'of millions of blank lines of %s is read without a turn for each of them, and its lines are counted',
    async (_, first, blank, last, headers) => {
      const piece = Buffer.from(blank.repeat(50_000))
      const pieces = [Buffer.from(first), ...Array(40).fill(piece), Buffer.from(last)]
      let promises = 0
      const counting = createHook({
        init(_id, type) {
          if (type === 'PROMISE') promises += 1
        },
      }).enable()
      const { errors } = await report(Readable.from(pieces), '?on_error=skip', headers).finally(() =>
        counting.disable(),
      )
      expect(errors.at(-1)).toMatchObject({ line: 2_000_002 })
      expect(promises).toBeLessThan(100_000) // a `yield` is several
    },
  )

  test('in pieces of any size is the same', async () => {
    const file = Buffer.from(`\ufeff${header}\r\n"1\r\n2",é€😀,x,V8W 1P6,SFD\r\n${row}\r\n`)
    const whole = await importing(file, '?dry_run=true')
    for (const size of [1, 2, 3, 5, 7]) {
      const pieces = Array.from({ length: Math.ceil(file.length / size) }, (_, i) =>
        file.subarray(i * size, (i + 1) * size),
      )
      const { counts, errors } = await report(Readable.from(pieces), '?dry_run=true')
      expect({ ...counts, errors }).toMatchObject({ received: 2, errors: whole.json().errors })
    }
  })

  const wrong: [string, string | Buffer, number, number | undefined, string, Headers?][] = [
    ['nothing', '', 1, undefined, 'empty'],
    ['a header alone', `${header}\n`, 1, undefined, 'empty'],
    ['an unknown column', `${header},colour\n${row},red\n`, 1, 6, 'unknown-column'],
    ['a column twice', `${header},city\n${row},x\n`, 1, 6, 'repeated-column'],
    ['a column that is missing', 'address,street,city,postal_code\n1,x,y,V8W 1P6\n', 1, 5, 'missing-column'],
    ['a row that is too short', `${header}\n${row}\n1,2\n`, 3, 3, 'ragged'],
    ['a row that is too long', `${header}\n\n"a\r\nb",x,y,z,w\n${row},7\n`, 5, 6, 'ragged'],
    ['a quote that is not closed', `${header}\n${row}\n"735,x\n${row}\n`, 3, 1, 'quote'],
    ['a quote within a cell', `${header}\n${row}\nx"y",x,y,V8W 1P6,SFD\n`, 3, 1, 'quote'],
    ['a quote before the end of a cell', `${header}\n1,"x"y,y,V8W 1P6,SFD\n`, 2, 2, 'quote'],
    ['a quote that is not closed in a long file', `${header}\n${row}\n1,"${`${row}\n`.repeat(9999)}`, 3, 2, 'too-long'],
    ['a cell that is too long', `${header}\n1,${'x'.repeat(8193)},y,V8W 1P6,SFD\n`, 2, 2, 'too-long'],
    ['a line that is too long', `{"city":"${'x'.repeat(65_536)}"}`, 1, undefined, 'too-long', ndjson],
    ['NUL', `${header}\n735,Bro\0ughton Street,Victoria,V8W 3H2,COP\n`, 2, 8, 'nul'],
    ['Latin-1', Buffer.from(`${header}\n${row}\n1,Métis,x,V8W 1P6,SFD\n`, 'latin1'), 3, 4, 'encoding'],
    ['Latin-1 in lines that end with CR', Buffer.from(`${header}\r${row}\r1,é,x`, 'latin1'), 3, 3, 'encoding'],
    ['NUL in lines that end with CRLF', `${header}\r\n${row}\r\n1,\0,x`, 3, 3, 'nul'],
    ['UTF-16', Buffer.from(`\ufeff${header}\n${row}\n`, 'utf16le'), 1, 1, 'encoding'],
    ['half a character at the end', Buffer.from(`${header}\n1,é`).subarray(0, -1), 2, 3, 'encoding'],
    ['CSV that calls itself NDJSON', `${header}\n${row}\n`, 1, undefined, 'json', ndjson],
    ['NDJSON that calls itself CSV', `${JSON.stringify(house)}\n`, 1, 1, 'quote'],
    ['a line that is not JSON', `${JSON.stringify(house)}\n{"city":}\n`, 2, undefined, 'json', ndjson],
    ['a member twice', `{"city":"a","city":"b"}\n`, 1, undefined, 'json', ndjson],
    ['an empty array', '[]', 1, undefined, 'empty', json],
    ['what is not gzip', `${header}\n${row}\n`, 1, undefined, 'gzip', { 'content-encoding': 'gzip' }],
    [
      'half of gzip',
      gzipSync(`${header}\n${row}`).subarray(0, 40),
      1,
      undefined,
      'gzip',
      { 'content-encoding': 'gzip' },
    ],
    [
      'a bomb',
      gzipSync(`${header}\n${`${row}\n`.repeat(100_000)}`),
      24_000,
      undefined,
      'gzip',
      { 'content-encoding': 'gzip' },
    ],
  ]
  test.each(wrong)(
    'with %s is rejected with its place, and nothing of it is left',
    async (_what, file, line, column, code, headers) => {
      const answer = await importing(file, '?on_error=skip', headers)
      expect(answer.statusCode, answer.body).toBe(422)
      const { code: kind, errors, detail } = answer.json()
      expect([kind, errors[0].code, detail]).toEqual(['invalid-file', code, expect.stringContaining(`Line `)])
      if (code === 'gzip') expect(errors[0].line).toBeGreaterThan(0)
      else expect([errors[0].line, errors[0].column]).toEqual([line, column])
      expect([await list(), await staged()]).toEqual([[], 0])
    },
  )

  test('of another type, in another encoding or form is rejected', async () => {
    for (const headers of [
      { 'content-type': 'text/plain' },
      { 'content-encoding': 'br' },
      { 'content-type': 'text/csv; charset=latin1' },
    ]) {
      const answer = await importing(`${header}\n${row}\n`, '', headers)
      expectProblem(answer, 415, 'unsupported-media-type')
      expect(answer.headers['accept-post']).toContain('text/csv')
    }
    expectProblem(await importing('{"city":"x"}', '', json), 422, 'invalid-body', [''])
    expectProblem(await importing(`"${'x'.repeat(4 * 1024 * 1024)}"`, '', json), 413, 'body-too-large')
    expectProblem(await importing('', '?on_error=ignore'), 400, 'invalid-parameter', ['on_error'])
    expectProblem(await importing('', '?dry_run=1'), 400, 'invalid-parameter', ['dry_run'])
    expectProblem(await importing('', '', { accept: 'image/png' }), 406, 'not-acceptable')
  })
})

describe('rows', () => {
  test('without an id are new houses, stored as POST stores them', async () => {
    await report(`${header}\n  735 , Broughton Street,Victoria,v8w3h2,COP\n`)
    const posted = (await api.post(housing, house)).json()
    expect(await list()).toMatchObject([
      { ...house, version: 1 },
      { ...posted, id: 2 },
    ])
    const { items } = (await api.get(`${housing}/1/versions`)).json()
    expect(items).toMatchObject([{ operation: 'created', version: 1 }])
  })

  test('with an id change only what differs, and make a version only if something does', async () => {
    for (const city of ['Victoria', 'Oak Bay', 'Sooke']) await api.post(housing, { ...house, city })
    const before = await list()
    const file = 'id,version,city,postal_code\n1,1,Victoria,v8w 3h2\n2,1,Colwood,V8W 3H2\n3,,Sooke,V8W 1P6\n'
    expect(await report(file)).toEqual({ errors: [], counts: { received: 3, updated: 2, unchanged: 1 } })
    const [first, second, third] = await list()
    expect(first).toEqual(before[0])
    expect(second).toMatchObject({ ...house, id: 2, city: 'Colwood', version: 2, created_at: before[1].created_at })
    expect(third).toMatchObject({ ...house, id: 3, city: 'Sooke', postal_code: 'V8W 1P6', version: 2 })
  })

  test('may name the same house again, also very often; the last one counts, and makes a version', async () => {
    await api.post(housing, house)
    const file = 'id,city,address\n1,Sooke,7\n1,Metchosin,\n1,Metchosin,7\n'.replace('Metchosin,\n', 'Metchosin,7\n')
    expect(await report(file)).toEqual({ errors: [], counts: { received: 3, updated: 2, unchanged: 1 } })
    expect(await list()).toMatchObject([{ city: 'Metchosin', address: '7', version: 2 }])
    const often = `id,city\n${Array.from({ length: 2500 }, (_, i) => `1,City ${i}\n`).join('')}`
    expect(await report(often)).toEqual({ errors: [], counts: { received: 2500, updated: 2500 } })
    expect(await list()).toMatchObject([{ city: 'City 2499', version: 5 }])
  })

  test('that name a house again with its first version conflict with what the file has made of it', async () => {
    await api.post(housing, house)
    const { errors, counts } = await report('id,version,city\n1,1,Sooke\n1,1,Colwood\n', '?on_error=skip')
    expect(counts).toEqual({ received: 2, updated: 1, rejected: 1 })
    expect(errors).toMatchObject([{ line: 3, field: 'version', code: 'version-conflict' }])
    expect(await list()).toMatchObject([{ city: 'Sooke', version: 2 }])
  })

  test('with members of enormous names are reported with the beginning of each', async () => {
    await api.post(housing, house)
    const { errors } = await report(`{"id":1,"${'x'.repeat(60_000)}":1}\n`, '?on_error=skip', ndjson)
    expect(errors[0].field).toBe(`${'x'.repeat(100)}…`)
  })

  test('that are wrong are reported with line, field and reason', async () => {
    await api.post(housing, house)
    await api.patch(`${housing}/1`, { city: 'Sooke' }, { 'if-match': '*' })
    const file = [
      `id,version,${header}`,
      `,,${row}`,
      ',,"a\nb",x,,V8W 1P6,XYZ',
      ',,1,x,y,V8W 1P6,XYZ',
      '9,,1,x,y,V8W 1P6,SFD',
      '1,1,1,x,y,V8W 1P6,SFD',
      'x,0,1,x,y,V8W 1P6,SFD',
      ',3,1,x,y,V8W 1P6,SFD',
      '1,2,735,Broughton Street,,V8W 3H2,COP',
      '1,2,735,Broughton Street,Sooke,V8W 3H2,XYZ',
    ].join('\n')
    const { errors, counts } = await report(file, '?on_error=skip')
    expect(counts).toEqual({ received: 9, created: 1, rejected: 8 })
    expect(errors.map(({ line, field, code }: Record<string, unknown>) => [line, field, code])).toEqual([
      [3, 'address', 'pattern'],
      [3, 'city', 'pattern'],
      [5, 'housing_type', 'unknown'],
      [6, 'id', 'not-found'],
      [7, 'version', 'version-conflict'],
      [8, 'id', 'type'],
      [8, 'version', 'minimum'],
      [9, 'version', 'unknown'],
      [10, 'city', 'pattern'],
      [11, 'housing_type', 'unknown'],
    ])
    for (const { detail } of errors) expect(detail).toMatch(/\w.*\.$/)
  })

  test('that older rules allowed stay as they are, and their other members can be changed', async () => {
    const old = { address: '', street: ' ', city: 'a\nb ', postal_code: 'V8V', housing_type_id: 1 }
    await db.insertInto('housing.housing').values([old, old]).execute()
    for (const format of ['csv', 'ndjson'])
      expect(await report(await exported(format), '', format === 'csv' ? {} : ndjson)).toEqual({
        errors: [],
        counts: { received: 2, unchanged: 2 },
      })
    const file = (await exported('csv')).replace('SFD', 'COP')
    expect(await report(file)).toEqual({ errors: [], counts: { received: 2, updated: 1, unchanged: 1 } })
    expect((await list())[0]).toMatchObject({ address: '', street: ' ', city: 'a\nb ', housing_type: 'COP' })
    const { errors } = await report(file.replace('V8V', 'V8X'), '?on_error=skip')
    expect(errors).toMatchObject([{ line: 2, field: 'version', code: 'version-conflict' }])
  })

  test('of a million faults the first thousand are reported, and all are counted', async () => {
    const { errors, counts } = await report(`${header}\n${'1,x,y,z,w\n'.repeat(3000)}`, '?on_error=skip')
    expect(counts).toEqual({ received: 3000, rejected: 3000 })
    expect(errors).toHaveLength(1000)
    expect(errors.at(-1)).toMatchObject({ line: 501, field: 'housing_type' })
  })

  test('that a constraint or a trigger of the operator rejects are found among the others', async () => {
    await sql`alter table housing.housing add constraint no_sooke check (city <> 'Sooke')`.execute(db)
    try {
      const cities = Array.from({ length: 40 }, (_, i) => (i % 13 === 7 ? 'Sooke' : `City ${i}`))
      const file = `${header}\n${cities.map((city) => `1,x,${city},V8W 1P6,SFD\n`).join('')}`
      expectProblem(await importing(file), 422, 'rows-rejected', Array(3).fill(undefined))
      const { errors, counts } = await report(file, '?on_error=skip')
      expect(counts).toEqual({ received: 40, created: 37, rejected: 3 })
      expect(errors.map(({ line, code }: Record<string, unknown>) => [line, code])).toEqual(
        [9, 22, 35].map((line) => [line, 'rejected']),
      )
      expect(errors[0].detail).toContain('no_sooke')
    } finally {
      await sql`alter table housing.housing drop constraint no_sooke`.execute(db)
    }
  })
})

describe('errors', () => {
  const file = `${header}\n${row}\n${row.replace('COP', 'XYZ')}\n${row}\n`

  test('abort an import by default: nothing is stored, and the problem is the report', async () => {
    const answer = await importing(file)
    expect(answer.statusCode).toBe(422)
    expect(answer.json()).toMatchObject({
      code: 'rows-rejected',
      detail: expect.stringContaining('1 of 3 rows'),
      ...{ received: 3, created: 0, updated: 0, unchanged: 0, rejected: 1 },
      errors: [{ line: 3, field: 'housing_type', code: 'unknown' }],
    })
    expect([await list(), await staged()]).toEqual([[], 0])
  })

  test('with on_error=skip leave out their rows only', async () => {
    expect((await report(file, '?on_error=skip')).counts).toEqual({ received: 3, created: 2, rejected: 1 })
    expect(await list()).toHaveLength(2)
    expect(await staged()).toBe(0)
  })

  test('come as the rejected rows themselves, which can be mended and imported', async () => {
    for (const query of ['', '?on_error=skip', '?on_error=skip&dry_run=true']) {
      const answer = await importing(file.replaceAll('Broughton Street', '=1'), query, { accept: 'text/csv' })
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([
        query ? 200 : 422,
        'text/csv; charset=utf-8',
      ])
      const counts = query ? 'received=3, created=2' : 'received=3, created=0'
      expect(answer.headers['import-report']).toMatch(
        new RegExp(
          `^${counts}, updated=0, unchanged=0, rejected=1${query.includes('dry') ? ', import_id="[0-9a-f-]{36}"' : ''}$`,
        ),
      )
      const rows = parse(answer.body, { columns: true }) as Record<string, string>[]
      expect(rows).toEqual([
        {
          ...house,
          street: "'=1",
          housing_type: 'XYZ',
          ...{ line: '3', field: 'housing_type', code: 'unknown' },
          detail: rows[0]?.detail,
        },
      ])
    }
    const { body } = await importing(file.replace('XYZ', 'SF'), '?on_error=skip', { accept: 'text/csv' })
    expect((await report(body.replace(',SF,', ',SFD,'))).counts).toEqual({ received: 1, created: 1 })
    expect((await importing(`${header}\n${row}\n`, '', { accept: 'text/csv' })).body).toBe(
      `${header},line,field,code,detail\n`,
    )
  })
})

describe('an import that fails after some of its rows', () => {
  const failing = [
    ['the disk is full', '53100', 503, 'storage-full', 'The database has no room left'],
    ['the database takes too long', '57014', 504, 'timeout', 'The database took too long'],
    ['the storage is damaged', 'XX001', 503, 'storage-damaged', 'The storage of the database is damaged'],
    ['the program is wrong', '34000', 500, 'internal-error', 'Something went wrong on our side'],
  ] as const
  const fileOf = (lines: string[]) => `${[header, ...lines].join('\n')}\n`
  const rows = Array.from({ length: 3500 }, (_, i) =>
    row.replace('735', `${i}`).replace('COP', i === 1500 ? 'XYZ' : 'COP'),
  )

  /** Has the database fail with this SQLSTATE where the house 2500 is stored. */
  const failWith = (code: string) =>
    sql
      .raw(`
        create or replace function housing.fail() returns trigger language plpgsql as
          $$ begin raise exception using errcode = '${code}'; end $$;
        create trigger fail before insert on housing.housing
          for each row when (new.address = '2500') execute function housing.fail()`)
      .execute(db)
  const recover = () => sql`drop function housing.fail cascade`.execute(db)

  test('at the first of them is answered as any other failure', async () => {
    await failWith('53100')
    const answer = await importing(fileOf(['2500,x,Victoria,V8W 3H2,COP', ...rows]), '?on_error=skip').finally(recover)
    expectProblem(answer, 503, 'storage-full')
    expect(await list()).toEqual([])
  })

  test.each(failing)(
    'because %s, says what is stored and where to go on',
    async (_why, sqlstate, status, code, title) => {
      await failWith(sqlstate)
      const answer = await importing(fileOf(rows), '?on_error=skip').finally(recover)
      const problem = answer.json()
      const stored = (await api.get(`${housing}?count=exact&limit=1`)).json().total
      expect(await staged()).toBe(0)
      if (backend === 'server') {
        expect([answer.statusCode, problem.code, stored]).toEqual([status, code, 0])
        return
      }
      expect(problem).toMatchObject({
        ...{ status: 503, code: 'import-incomplete' },
        ...{ received: stored + 1, created: stored, updated: 0, unchanged: 0, rejected: 1 },
        errors: [{ line: 1502, field: 'housing_type' }],
        detail: expect.stringMatching(new RegExp(`^${title}, so .* after ${stored + 1} rows, which stay applied\\.`)),
      })
      expect((await api.get('/problems/import-incomplete')).statusCode).toBe(200)
      const line = Number(/after the one in line (\d+)/.exec(problem.detail)?.[1])
      const rest = fileOf(rows.slice(line - 1)) // line 1 is the header
      const left = rows.length - problem.received
      expect((await report(rest, '?on_error=skip')).counts).toEqual({ received: left, created: left })
      const { rows: houses } = await sql<{ address: string }>`select address from housing.housing order by id`.execute(
        db,
      )
      expect(houses.map(({ address }) => Number(address))).toEqual(rows.map((_, i) => i).filter((i) => i !== 1500))
    },
  )
})

test('rejected rows of NDJSON and of an array come as they were sent, and can be corrected and sent again', async () => {
  for (let i = 0; i < 2; i++) await api.post(housing, house)
  const rows = [
    { id: 1, city: 'Sooke' },
    { id: 2, postal_code: 'V8' },
    { ...house, city: null, housing_type: '=1' },
    { address: '1', colour: 'red' },
  ]
  const lines = `${rows.map((row) => JSON.stringify(row)).join('\n')}\n`
  for (const [file, headers] of [
    [lines, ndjson],
    [JSON.stringify(rows), json],
  ] as const) {
    const answer = await importing(file, '?on_error=skip', { ...headers, accept: 'application/x-ndjson' })
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson'])
    expect(answer.headers['import-report']).toContain('rejected=3')
    const rejected = answer.body.trimEnd().split('\n')
    expect(rejected.map((line) => JSON.parse(line))).toEqual(
      rows.slice(1).map((row, i) => ({
        ...row,
        line: i + 2,
        ...{ field: expect.any(String), code: expect.any(String), detail: expect.stringMatching(/\w\.$/) },
      })),
    )
    const again = await importing(answer.body, '?on_error=skip', { ...ndjson, accept: 'application/x-ndjson' })
    expect(again.body).toBe(answer.body.replaceAll(/"line":\d/g, (line) => `"line":${Number(line.at(-1)) - 1}`))
  }
  const { body } = await importing(lines, '', { ...ndjson, accept: 'application/x-ndjson' })
  const corrected = body
    .replace('"V8"', '"V8W 1P6"')
    .replace('null', '"Victoria"')
    .replace('=1', 'SFD')
    .replace('"colour":"red"', '"street":"x","city":"y","postal_code":"V8W 1P6","housing_type":"SFD"')
  expect((await report(corrected, '', ndjson)).counts).toEqual({ received: 3, created: 2, updated: 1 })
  expect((await list()).map(({ city, address }: Record<string, string>) => [city, address])).toEqual([
    ['Sooke', '735'],
    ['Victoria', '735'],
    ['Victoria', '735'],
    ['y', '1'],
  ])
})

describe('rejected rows of NDJSON and of an array', () => {
  const rows = [{ ...house, city: null }, { id: 7, version: 'x' }, { address: 1 }]
  const uploads = [
    ['NDJSON', rows.map((row) => `${JSON.stringify(row)}\n`).join(''), ndjson],
    ['an array', JSON.stringify(rows), json],
  ] as const

  test.each(uploads)('(%s) do not come as CSV, which would change them', async (_, file, headers) => {
    for (const accept of ['text/csv', 'text/*', 'text/csv, application/json;q=0'])
      for (const query of ['', '?on_error=skip', '?dry_run=true']) {
        expectProblem(await importing(file, query, { ...headers, accept }), 406, 'not-acceptable')
        expect([await list(), await staged()]).toEqual([[], 0])
      }
    const accept = 'text/csv, application/x-ndjson;q=0.5'
    const answer = await importing(file, '?on_error=skip', { ...headers, accept })
    expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson'])
  })

  test.each(uploads)('(%s) do not come as CSV after a dry run either', async (_, file, headers) => {
    const { counts } = await report(file, '?dry_run=true', headers)
    const path = `${housing}/imports/${(counts as { import_id: string }).import_id}/apply?on_error=skip`
    expectProblem(await api.send('POST', path, undefined, { accept: 'text/csv' }), 406, 'not-acceptable')
    const { statusCode, body } = await api.send('POST', path, undefined, { accept: 'application/x-ndjson' })
    expect(statusCode).toBe(200)
    const rejected = body.trimEnd().split('\n')
    expect(rejected.map((line) => JSON.parse(line))).toMatchObject(rows)
  })

  test('are what rows of CSV can come as, too: sent again, they are rejected for the same', async () => {
    const file = `id,version,city,housing_type\n7,,,SFD\n,3,=1,XYZ\nx,y,"a,b",\n`
    const first = await importing(file, '?on_error=skip', { accept: 'application/x-ndjson' })
    const again = await importing(first.body, '?on_error=skip', { ...ndjson, accept: 'application/x-ndjson' })
    const withoutLines = ({ body }: { body: string }) => body.replaceAll(/"line":\d/g, '')
    expect(withoutLines(again)).toBe(withoutLines(first))
    expect(again.body).not.toBe('')
  })
})

describe('a dry run', () => {
  test('stores nothing, reports what would be, and can be applied once', async () => {
    await api.post(housing, house)
    const before = await list()
    const { counts } = await report(`id,${header}\n1,${row.replace('735', '7')}\n,${row}\n`, '?dry_run=true')
    const { import_id: id, ...others } = counts as { import_id: string }
    expect(others).toEqual({ received: 2, created: 1, updated: 1 })
    expect(await list()).toEqual(before)
    const apply = (query = '', headers = {}) =>
      api.send('POST', `${housing}/imports/${id}/apply${query}`, undefined, headers)
    const key = { 'idempotency-key': randomUUID() }
    const applied = await apply('', key)
    expect(applied.json()).toEqual({ ...others, unchanged: 0, rejected: 0, errors: [] })
    expect(await list()).toMatchObject([{ id: 1, address: '7', version: 2 }, house])
    expect((await apply('', key)).body).toBe(applied.body)
    expectProblem(await apply(), 404, 'not-found')
    expect(await list()).toHaveLength(2)
  })

  test('that found wrong rows can be applied without them', async () => {
    const { counts } = await report(`${header}\n${row}\n${row}x\n`, '?dry_run=true')
    const path = `${housing}/imports/${(counts as { import_id: string }).import_id}/apply`
    expectProblem(await api.send('POST', path), 422, 'rows-rejected', [undefined as never])
    const rejected = await api.send('POST', path, undefined, { accept: 'text/csv' })
    expect([rejected.statusCode, rejected.body]).toEqual([422, expect.stringContaining('COPx,3,')])
    expect((await api.send('POST', `${path}?on_error=skip`)).json()).toMatchObject({ created: 1, rejected: 1 })
    expect(await staged()).toBe(0)
  })

  test('is kept for an hour from when it was last checked', async () => {
    const { counts } = await report(`${header}\n${row}x\n`, '?dry_run=true')
    await sql`update housing.imports set expires_at = now() + interval '1 minute'`.execute(db)
    const path = `${housing}/imports/${(counts as { import_id: string }).import_id}/apply`
    expectProblem(await api.send('POST', path), 422, 'rows-rejected', [undefined as never])
    const { rows } = await sql`select expires_at > now() + interval '59 minutes' as kept from housing.imports`.execute(
      db,
    )
    expect(rows).toEqual([{ kept: true }])
  })

  test('is forgotten after an hour', async () => {
    const { counts } = await report(`${header}\n${row}\n`, '?dry_run=true')
    await sql`update housing.imports set expires_at = now() - interval '1 second'`.execute(db)
    expectProblem(
      await api.send('POST', `${housing}/imports/${(counts as { import_id: string }).import_id}/apply`),
      404,
      'not-found',
    )
    await report(`${header}\n${row}\n`)
    expect(await staged()).toBe(0)
    const key = { 'idempotency-key': randomUUID() }
    for (let i = 0; i < 3; i++) await report(`${header}\n${row}\n`, '?dry_run=true', key)
    await expect.poll(staged).toBe(1) // a repetition leaves nothing of its own
    for (const id of [randomUUID(), 'x', randomUUID().toUpperCase()])
      expectProblem(await api.send('POST', `${housing}/imports/${id}/apply`), 404, 'not-found')
  })
})

describe('a house that somebody else changes before an import is applied', () => {
  const file = `id,version,${header}\n,,${row}\n1,1,${row.replace('735', '7')}\n2,,${row.replace('735', '7')}\n`
  const others = [
    ['changed', 'version-conflict', () => api.patch(`${housing}/1`, { city: 'Sooke' }, { 'if-match': '*' })],
    ['deleted', 'not-found', () => api.delete(`${housing}/1`, { 'if-match': '*' })],
  ] as const
  const addresses = async () => (await list()).slice(-2).map(({ address }: { address: string }) => address)

  test.each(others)(
    'and that is %s after the dry run rejects its row: all or nothing, or the others',
    async (...of) => {
      const [, code, change] = of
      for (let i = 0; i < 2; i++) await api.post(housing, house)
      const { counts } = await report(file, '?dry_run=true')
      expect(counts).toMatchObject({ created: 1, updated: 2 })
      const path = `${housing}/imports/${(counts as { import_id: string }).import_id}/apply`
      await change()
      const rejected = await api.send('POST', path)
      expect(rejected.json()).toMatchObject({ code: 'rows-rejected', errors: [{ line: 3, code }] })
      expect(await addresses()).not.toContain('7')
      expect((await api.send('POST', `${path}?on_error=skip`)).json()).toMatchObject({
        ...{ created: 1, updated: 1, rejected: 1 },
        errors: [{ line: 3, code }],
      })
      expect(await addresses()).toEqual(['7', '735'])
      expect(await staged()).toBe(0)
    },
  )

  test.each(others)('and that is %s while the file arrives rejects its row too', async (...of) => {
    const [, code, change] = of
    for (let i = 0; i < 2; i++) await api.post(housing, house)
    async function* whileChanged() {
      yield file
      yield `,,${row}\n`.repeat(2000)
      await expect.poll(staged, { timeout: 20_000 }).toBe(1)
      await change()
    }
    const slowly = (query = '') => importing(Readable.from(whileChanged()), query)
    expect((await slowly()).json()).toMatchObject({ code: 'rows-rejected', errors: [{ line: 3, code }] })
    expect([await addresses(), await staged()]).toEqual([expect.not.arrayContaining(['7']), 0])
    expect((await slowly('?on_error=skip')).json()).toMatchObject({ created: 2001, updated: 1, rejected: 1 })
  })
})

describe('what nobody applies', () => {
  const file = `${header}\n${row}\n`
  const dryRun = async () => ((await report(file, '?dry_run=true')).counts as { import_id: string }).import_id
  const ids = async () => {
    const { rows } = await sql<{ id: string }>`select id from housing.imports`.execute(db)
    return rows.map(({ id }) => id)
  }
  const expire = (id: string) =>
    sql`update housing.imports set expires_at = now() - interval '1 second' where id = ${id}`.execute(db)
  const within = { timeout: 20_000 }

  test('is deleted once it has expired, time after time, and nothing else is', async () => {
    const own = fastify()
    sweep(own, database.db, 20)
    try {
      for (let i = 0; i < 3; i++) {
        const [expired, other] = [await dryRun(), await dryRun()]
        await expire(expired)
        await expect.poll(ids, within).toEqual([other])
        await expire(other)
        await expect.poll(ids, within).toEqual([])
      }
    } finally {
      await own.close()
    }
  })

  test('is deleted by an API within two hours, even if there is no other import', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const other = await apiOver(database)
    try {
      const [expired, fresh] = [await dryRun(), await dryRun()]
      await expire(expired)
      vi.advanceTimersByTime(3_600_000)
      await vi.waitFor(async () => expect(await ids()).toEqual([fresh]), within)
      await expire(fresh)
      vi.advanceTimersByTime(3_600_000)
      await vi.waitFor(async () => expect(await ids()).toEqual([]), within)
    } finally {
      vi.useRealTimers()
      await other.close()
    }
  })
})

test('an import with an Idempotency-Key is done only once', async () => {
  const key = { 'idempotency-key': randomUUID() }
  const file = `${header}\n${row}\n`
  const first = await importing(file, '', key)
  const again = await importing(file, '', key)
  expect([again.statusCode, again.body, again.headers['idempotency-replayed']]).toEqual([200, first.body, 'true'])
  expect(await list()).toHaveLength(1)
  for (const [other, query] of [
    [`${file}\n`, ''],
    [file, '?on_error=skip'],
  ] as const)
    expectProblem(await importing(other, query, key), 422, 'idempotency-key-reused')
  expectProblem(await importing(file, '', { ...key, accept: 'text/csv' }), 400, 'malformed-request')
  const array = `[${JSON.stringify(house)}]`
  const other = { ...json, 'idempotency-key': randomUUID() }
  await importing(array, '', other)
  expect((await importing(array, '', other)).headers['idempotency-replayed']).toBe('true')
  expectProblem(await importing(`[${array}]`, '', other), 422, 'idempotency-key-reused')
  await expect.poll(staged).toBe(0)
})

/** Values for a member: good ones, and some of every kind of wrong. */
const value = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom('735', 'Victoria', 'V8W 1P6', 'v8w1p6', 'SFD', 'COP', ' Métis 😀 ') },
  fc.constantFrom('', ' ', 'x'.repeat(51), 'a\nb', '\u200b', 'XYZ', 'sfd', 7, null, true, [], {}, '\ud800'),
  fc.string({ maxLength: 60 }),
)

test('one row without an id is accepted exactly where POST accepts it, and rejected with the same faults', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record(
        { address: value, street: value, city: value, postal_code: value, housing_type: value, extra: value },
        { requiredKeys: [] },
      ),
      async (members) => {
        const body = JSON.stringify(members)
        const posted = await api.post(housing, body)
        const imported = await importing(`${body}\n`, '?on_error=skip', ndjson)
        expect(imported.statusCode, imported.body).toBe(200)
        const { created, errors } = imported.json()
        expect(created, posted.body).toBe(posted.statusCode === 201 ? 1 : 0)
        const faults = (posted.json().errors ?? []).map(({ pointer, ...fault }: { pointer: string }) => ({
          line: 1,
          field: pointer.slice(1),
          ...fault,
        }))
        expect(errors).toEqual(faults)
        if (created === 0) return
        const [newest, before] = (await api.get(`${housing}?sort=-id&limit=2`)).json().items
        for (const name of names) expect(newest[name]).toBe(before[name])
      },
    ),
    { numRuns: 200 },
  )
})

const hostile = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.string({
      unit: fc.constantFrom(
        '"',
        "'",
        ',',
        ';',
        '\t',
        '\r',
        '\n',
        '=',
        '+',
        '-',
        '@',
        '\\',
        ' ',
        'é',
        '😀',
        '漢',
        '\u202e',
        '\u0001',
        '\u0002',
        '{',
        '\ufeff',
      ),
      maxLength: 25,
    }),
  )
  .map((text) => [...text.toWellFormed().replaceAll('\0', '')].slice(0, 50).join(''))

test('an export that is imported again changes nothing, whatever the text', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(hostile, hostile, hostile), { minLength: 1, maxLength: 30 }), async (texts) => {
      await sql`truncate housing.housing cascade`.execute(db)
      await db
        .insertInto('housing.housing')
        .values(
          texts.map(([address, street, city]) => ({
            address,
            street,
            city,
            postal_code: 'V8W 1P6',
            housing_type_id: 1,
          })),
        )
        .execute()
      const before = (await api.get(`${housing}?limit=1000`)).body
      for (const format of ['csv', 'ndjson'] as const) {
        const file = await exported(format)
        expect(await report(file, '', format === 'csv' ? {} : ndjson)).toEqual({
          errors: [],
          counts: { received: texts.length, unchanged: texts.length },
        })
        expect(await exported(format)).toBe(file)
      }
      expect((await api.get(`${housing}?limit=1000`)).body).toBe(before)
    }),
    { numRuns: 40 },
  )
})
