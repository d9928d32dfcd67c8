import type { FastifyPluginAsync } from 'fastify'
import { Type } from 'typebox'
import { Problem } from '../contract/problems.ts'
import { addVary } from '../http/headers.ts'

/** `/problems/{code}`: the page that the `type` of a problem leads to. HTML for a browser, else Markdown. */
export const problemPages: FastifyPluginAsync = async (app) => {
  app.get<{ Params: { code: string } }>(
    '/problems/:code',
    { schema: { hide: true, params: Type.Object({ code: Type.String() }) }, config: { public: true } },
    async ({ params: { code }, headers }, reply) => {
      const kind = app.declared.kinds.get(code)
      if (!kind) throw new Problem('not-found', `No problem has the code ${code}.`)
      const { status, title, explanation } = kind
      reply.header('cache-control', 'public, max-age=3600')
      addVary(reply, 'Accept')
      if (!/\btext\/html\b/.test(headers.accept ?? ''))
        return reply
          .type('text/markdown; charset=utf-8')
          .send(`# ${title}\n\n\`${code}\`, status ${status}\n\n${explanation}\n`)
      const prose = explanation.replaceAll('<', '&lt;').replace(/`([^`]*)`/g, '<code>$1</code>')
      return reply
        .type('text/html; charset=utf-8')
        .send(
          `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>` +
            `<p><code>${code}</code>, status ${status}</p><p>${prose}</p></html>\n`,
        )
    },
  )
}
