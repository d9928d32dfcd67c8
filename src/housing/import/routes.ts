import type { FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { answer, operation, orFile, type Routes, ref } from '../../contract/contract.ts'
import {
  IdempotencyKey,
  IdempotencyReplayed,
  keyedFailures,
  readIdempotencyKey,
} from '../../contract/idempotency-key.ts'
import { asProblem, Problem } from '../../contract/problems.ts'
import { actingAs } from '../../database/actor.ts'
import type { OpenDatabase } from '../../database/database.ts'
import { preferred } from '../../http/representation.ts'
import { goneAway, transfers } from '../../http/transfers.ts'
import { answerOnce } from '../../idempotency/idempotency.ts'
import { applyImport, noSuchImport, type Plan, StoppedHalfway } from './apply.ts'
import { importKinds } from './problems.ts'
import { deleteImport, renewImport } from './queries.ts'
import { type Format, RejectedRows, Report } from './report.ts'
import {
  ApplyQuery,
  exampleRejected,
  exampleReport,
  files,
  ImportId,
  ImportQuery,
  ImportReport,
  ImportRows,
  maxItems,
} from './schemas.ts'
import { sourceOf, typeOf } from './source.ts'
import { stage } from './stage.ts'
import { sweep } from './sweep.ts'
import { type InTurn, turnsOfImports } from './turns.ts'

export type ImportDatabase = Pick<OpenDatabase, 'db' | 'bulk' | 'hasOneConnection'>

/** The most imports in progress: their files may arrive slowly. */
const maxImports = 16

/** What a report is sent as; that on a file of CSV also as CSV, which has no null, no numbers and no missing members. */
const reports = { json: 'application/json', ndjson: 'application/x-ndjson' } as const
const reportsOnCsv = { ...reports, csv: 'text/csv' } as const

/** What can be imported. */
const content = Object.fromEntries(
  Object.entries({ 'application/json': ImportRows, ...files }).map(([type, shape]) => [type, { schema: ref(shape) }]),
)

const ImportCounts = Type.Optional(
  Type.String({ description: 'With a file: the report without its errors, such as `received=3, created=2`.' }),
)

const unreadable = 'The file cannot be read, rows are rejected, or the Idempotency-Key belongs to another request.'

const answers = {
  200: orFile(
    answer(ImportReport, 'What the import did, or would do.', {
      example: exampleReport,
      headers: { 'Idempotency-Replayed': IdempotencyReplayed, 'Import-Report': ImportCounts },
    }),
    exampleRejected,
  ),
}

/** A file into the registry: its rows are checked while they arrive, and applied once all are there. */
export const importRoutes: Routes<{ database: ImportDatabase }> = async (app, { database }) => {
  const { db, bulk, hasOneConnection } = database
  const begin = transfers(app, 'import', { max: maxImports, isOneEach: true })
  const turnsOf = turnsOfImports()
  const failures = (reasons: Record<number, string>) => {
    const { 422: rejected, ...others } = keyedFailures({
      406: 'The client accepts neither JSON nor NDJSON, nor CSV if the file is CSV.',
      422: 'Rows are rejected, or the Idempotency-Key belongs to another request.',
      ...reasons,
    })
    return { ...others, 422: orFile(rejected, exampleRejected) }
  }
  sweep(app, db)
  app.addContentTypeParser(Object.keys(files), (_request, payload, done) => done(null, payload))

  app.post(
    '/import',
    {
      bodyLimit: 4 * 1024 * 1024, // of an array; a file may have any length
      ...operation('importHousing', 'Add and change houses from a file', {
        scope: 'housing:write',
        config: { negotiates: true, maxItems },
        description: [
          'A file of any length in UTF-8: CSV with a header (`,`, `;` or tab between the cells, the columns in any order), or one JSON object in each line (NDJSON), also with `Content-Encoding: gzip`; or an array of at most 4 MiB.',
          'A row without `id` is a new house. A row with `id` changes that house, where `version` is given only if the house is in that version. Members that a row does not have, or that are as they are stored, stay as they are; all others must be valid as for POST and PATCH.',
          'So an export can be edited and imported again. With `Accept: application/x-ndjson`, or `text/csv` if the file is CSV, the answer is the rejected rows, with their faults: correct and import them.',
        ].join(' '),
        querystring: ImportQuery,
        headers: IdempotencyKey,
        body: { content } as never,
        response: {
          ...answers,
          ...failures({ 413: 'The array is too large.', 415: 'The body is none of these files.', 422: unreadable }),
        },
      }),
    },
    async (request, reply) => {
      const { on_error, dry_run } = request.query
      const [skips, isDry] = [on_error === 'skip', dry_run === 'true']
      const format = formatOf(request, reply, typeOf(request) !== 'csv')
      const caller = request.caller?.name ?? ''
      const { signal, end } = begin(request)
      let plan: Plan | undefined
      try {
        const turns = turnsOf(request, reply, signal)
        const id = await stage(db, sourceOf(request, signal), { caller, inTurn: turns.staging })
        const isAlone = isDry || format !== 'json' || readIdempotencyKey(request.headers) !== undefined
        const inParts = hasOneConnection && skips && !isAlone
        plan = { id, caller, skips, isDry, inParts, signal, isOffered: false }
        return await apply(request, reply, plan, { format, inTurn: turns.applying })
      } finally {
        end()
        if (plan && !plan.isOffered) await deleteImport(db, plan.id).catch(() => {}) // it expires
      }
    },
  )

  app.post(
    '/imports/:id/apply',
    operation('applyImport', 'Apply an import after a dry run', {
      scope: 'housing:write',
      config: { negotiates: true },
      description: 'Does what the dry run would have done, if nothing has changed since.',
      params: ImportId,
      querystring: ApplyQuery,
      headers: IdempotencyKey,
      response: {
        ...answers,
        ...failures({ 404: 'No import of this caller has this id and waits to be applied; it may have expired.' }),
      },
    }),
    async (request, reply) => {
      const { params, query } = request
      const caller = request.caller?.name ?? ''
      const columns = await renewImport(db, params.id, caller)
      if (!columns && readIdempotencyKey(request.headers) === undefined) throw noSuchImport() // with a key it may be done
      const format = formatOf(request, reply, columns?.length === 0)
      const { signal, end } = begin(request)
      const plan = {
        ...params,
        caller,
        skips: query.on_error === 'skip',
        isDry: false,
        inParts: false,
        signal,
        isOffered: true,
      }
      try {
        return await apply(request, reply, plan, { format, inTurn: turnsOf(request, reply, signal).applying })
      } finally {
        end()
      }
    },
  )

  /** Applies what is staged, and answers with a report, or with the rejected rows. */
  const apply = (
    request: FastifyRequest,
    reply: FastifyReply,
    plan: Plan,
    { format, inTurn }: { format: keyof typeof reportsOnCsv; inTurn: InTurn },
  ) =>
    format === 'json'
      ? inTurn(() => answerWithReport(request, reply, plan))
      : answerWithRows(request, reply, plan, { format, inTurn })

  const answerWithReport = (request: FastifyRequest, reply: FastifyReply, plan: Plan) =>
    answerOnce(bulk, request, reply, async (db) => {
      const report = await applyImport(db, plan, async () => new Report({ onProgress: progressOf(request) })).catch(
        (error) => {
          throw error instanceof StoppedHalfway ? incomplete(error.report, asProblem(error.cause, request)) : error
        },
      )
      const { counts, errors } = report
      if (isUndone(report, plan)) throw rejection(report)
      plan.isOffered ||= plan.isDry
      return { status: 200, headers: {}, body: { ...(plan.isDry && { import_id: plan.id }), ...counts, errors } }
    })

  async function answerWithRows(
    request: FastifyRequest,
    reply: FastifyReply,
    plan: Plan,
    { format, inTurn }: { format: Format; inTurn: InTurn },
  ): Promise<never> {
    const rejected = await RejectedRows.open(format)
    try {
      const newReport = async (columns: string[]) => {
        await rejected.begin(columns)
        return new Report({ rejected, onProgress: progressOf(request) })
      }
      const report = await inTurn(() => applyImport(actingAs(bulk, request.caller), plan, newReport))
      if (reply.raw.destroyed) throw goneAway()
      const file = await rejected.read()
      plan.isOffered ||= plan.isDry
      const isRejected = isUndone(report, plan)
      return reply
        .code(isRejected ? 422 : 200)
        .header('import-report', dictionary(isRejected ? undone(report.counts) : report.counts, plan))
        .type(format === 'csv' ? 'text/csv; charset=utf-8' : reportsOnCsv[format])
        .send(file) as never
    } catch (error) {
      await rejected.close()
      throw error
    }
  }
}

const progressOf =
  ({ log, id }: FastifyRequest) =>
  (rows: number) =>
    log.info({ request_id: id }, `Import: ${rows} rows are applied`)

const isUndone = ({ counts: { rejected } }: Report, { skips, isDry }: Plan) => rejected > 0 && !skips && !isDry

type Counts = Report['counts']

const undone = (counts: Counts): Counts => ({ ...counts, created: 0, updated: 0 })

/** The report without its errors as a header, a dictionary of RFC 9651. */
function dictionary(counts: Counts, { isDry, id }: Plan): string {
  const members = Object.entries(counts).map(([name, count]) => `${name}=${count}`)
  return [...members, ...(isDry ? [`import_id="${id}"`] : [])].join(', ')
}

/** Nothing was stored, because some rows are wrong. */
function rejection({ counts, errors }: Report): Problem {
  const { received, rejected } = counts
  const [first] = errors
  const where = first && ` The first: line ${first.line}${first.field && `, ${first.field}`}: ${first.detail}`
  return new Problem(
    importKinds['rows-rejected'],
    `${rejected} of ${received} rows are wrong, so nothing was stored.${where}`,
    { errors, members: undone(counts) },
  )
}

/** The rows so far are stored, and `why` ended the import. */
function incomplete({ counts, errors, lastLine }: Report, { kind, extra }: Problem): Problem {
  const goOn = `To go on, import the rows after the one in line ${lastLine}; CSV needs its header again.`
  return new Problem(
    importKinds['import-incomplete'],
    `${kind.title}, so the import stopped after ${counts.received} rows, which stay applied. ${goOn}`,
    { ...extra, errors, members: counts },
  )
}

/** What the report is to be. Throws if an answer with a key, which is stored, would be a file. */
function formatOf(request: FastifyRequest, reply: FastifyReply, isOnJson: boolean): keyof typeof reportsOnCsv {
  const format = isOnJson ? preferred(request, reply, reports) : preferred(request, reply, reportsOnCsv)
  if (format !== 'json' && readIdempotencyKey(request.headers) !== undefined)
    throw new Problem(
      'malformed-request',
      'An answer to a request with an Idempotency-Key is JSON: omit Accept, or the key.',
    )
  return format
}
