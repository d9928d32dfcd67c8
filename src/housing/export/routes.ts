import { Type } from 'typebox'
import { failures, file, operation, type Routes } from '../../contract/contract.ts'
import { Choice } from '../../contract/json-schema.ts'
import { preferred } from '../../http/representation.ts'
import { sendChunks, transfers } from '../../http/transfers.ts'
import type { Feed } from '../changes/feed.ts'
import { conditionOf } from '../list/page.ts'
import { filters, filtersOf, Sort } from '../list/schemas.ts'
import { exampleHousing } from '../schemas.ts'
import { exportHousing, type Format } from './file.ts'
import type { ExportDatabase } from './queries.ts'

const types: Record<Format, string> = { csv: 'text/csv', ndjson: 'application/x-ndjson' }
const formats = ['csv', 'ndjson'] as const

/** The most exports at a time. Each has a connection of its own to a server. */
const maxExports = 4

const examples = {
  'application/x-ndjson': `${JSON.stringify(exampleHousing)}\n`,
  'text/csv': `${Object.keys(exampleHousing).join()}\n${Object.values(exampleHousing).join()}\n`,
}

const ExportQuery = Type.Object(
  {
    ...filters,
    sort: Type.Optional(Sort),
    format: Type.Optional(Choice(formats, `${formats.join(' or ')}; without it, the header Accept decides.`)),
  },
  { additionalProperties: false },
)

/** The registry as a file. */
export const exportRoutes: Routes<{ database: ExportDatabase; feed: Feed }> = async (app, { database, feed }) => {
  const begin = transfers(app, 'export', { max: maxExports })

  app.get(
    '/export',
    operation('exportHousing', 'All houses that match, as a file', {
      scope: 'housing:read',
      config: { negotiates: true },
      description:
        'CSV with a header, or one JSON object in each line (NDJSON), in UTF-8 and of any length. A file that is not complete ends with a broken connection. In CSV, text that a spreadsheet would run as a formula begins with an apostrophe; an import takes it away again.',
      querystring: ExportQuery,
      response: {
        200: file('The houses.', examples, {
          'Content-Disposition': Type.String({ description: 'Suggests a name for the file.' }),
          'Feed-Position': Type.Integer({
            format: 'int64',
            description:
              'The position after which the feed has all changes that the file lacks, and perhaps some that it has.',
          }),
        }),
        ...failures({ 406: 'The client accepts neither CSV nor NDJSON.' }),
      },
    }),
    async (request, reply) => {
      const { format = preferred(request, reply, types), sort = 'id', ...query } = request.query
      const condition = await conditionOf(database.db, filtersOf(query))
      const position = await feed.position() // before the transfer begins: if it fails, nothing has to be ended
      const transfer = begin(request)
      const today = new Date().toISOString().slice(0, 10)
      reply.type(format === 'csv' ? 'text/csv; charset=utf-8' : types[format]).headers({
        'content-disposition': `attachment; filename="housing-${today}.${format}"`,
        'cache-control': 'no-store',
        'feed-position': position,
      })
      if (request.method === 'HEAD') {
        transfer.end()
        return reply.send()
      }
      await sendChunks(reply, transfer, (gone) => exportHousing(database, { condition, sort }, format, gone))
      return reply
    },
  )
}
