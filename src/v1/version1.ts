// Version 1, whole: without this folder, and the two lines of server.ts that name it, everything else stays as it is.
import type { FastifyInstance } from 'fastify'
import type { Database } from '../database/tables.ts'
import type { HousingTypes } from '../housing-types/memory.ts'
import { unroutedAnswer } from '../http/failures.ts'
import { excuseContentType } from './body.ts'
import { sendDetail } from './failures.ts'
import { redirectSlash } from './redirects.ts'
import { v1Routes } from './routes.ts'

/** Failures have the form of version 1 on every path but /api/v2 and /problems. */
const speaks = (path: string) => !/^\/(api\/v2|problems)([/?]|$)/.test(path)

export async function addVersion1(app: FastifyInstance, dependencies: { db: Database; types: HousingTypes }) {
  app.dialects.push({
    speaks,
    sendFailure: sendDetail,
    answerUnrouted: redirectSlash(
      app,
      unroutedAnswer(app, { notFound: 'Not Found', notAllowed: 'Method Not Allowed' }),
    ),
  })
  app.addHook('onRequest', (request, _reply, done) => {
    const { raw, url } = request
    if (raw.headers['content-type'] !== undefined && speaks(request.routeOptions.url ?? url)) excuseContentType(raw)
    done()
  })
  await app.register(v1Routes, { prefix: '/api/v1', ...dependencies })
}
