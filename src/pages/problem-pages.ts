import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import type { Kind } from '../contract/problem-kinds.ts'
import { Problem } from '../contract/problems.ts'
import { addVary } from '../http/headers.ts'
import { htmlPage, pageCsp } from './html.ts'

const route = { schema: { hide: true }, config: { public: true } }

/**
 * `/problems/{code}`: the page that the `type` of a problem leads to; `/problems` lists them all. HTML for a browser, else
 * Markdown.
 */
export const problemPages: FastifyPluginAsync = async (app) => {
  for (const [url, root] of [
    ['/problems', ''],
    ['/problems/', '../'],
  ] as const)
    app.get(url, route, async (request, reply) => {
      const kinds = [...app.declared.kinds.values()].sort((a, b) => a.status - b.status)
      if (!wantsHtml(request, reply)) return reply.send(`# Problems\n\n${kinds.map(lineOf).join('\n')}\n`)
      const rows = kinds.map(
        ({ code, status, title }) =>
          `<tr><td>${status}</td><td><a href="${root}problems/${code}">${title}</a> <code>${code}</code></td></tr>`,
      )
      return reply.send(
        htmlPage({
          title: 'Problems · Sample API',
          root,
          body: `<main><h1>Problems</h1><p>What version 2 answers when it cannot do what was asked (RFC 9457).</p><table>
<thead><tr><th>Status</th><th>Problem</th></tr></thead>
<tbody>${rows.join('\n')}</tbody></table></main>`,
        }),
      )
    })

  app.get<{ Params: { code: string } }>(
    '/problems/:code',
    { ...route, schema: { ...route.schema, params: Type.Object({ code: Type.String() }) } },
    async (request, reply) => {
      const kind = app.declared.kinds.get(request.params.code)
      if (!kind) throw new Problem('not-found', `No problem has the code ${request.params.code}.`)
      const { code, status, title, explanation } = kind
      if (!wantsHtml(request, reply))
        return reply.send(`# ${title}\n\n\`${code}\`, status ${status}\n\n${explanation}\n`)
      const prose = explanation.replaceAll('<', '&lt;').replace(/`([^`]*)`/g, '<code>$1</code>')
      return reply.send(
        htmlPage({
          title: `${title} · Sample API`,
          root: '../',
          body: `<main><h1>${title}</h1><p><code>${code}</code>, status ${status}</p><p>${prose}</p>
<p><a href="../problems">All problems</a></p></main>`,
        }),
      )
    },
  )
}

const lineOf = ({ code, status, title }: Kind) => `- ${status} \`${code}\`: ${title}`

/** Sets the headers of the page in the form that the client wants. */
function wantsHtml({ headers }: FastifyRequest, reply: FastifyReply): boolean {
  const isHtml = /\btext\/html\b/.test(headers.accept ?? '')
  addVary(reply.header('cache-control', 'public, max-age=3600'), 'Accept')
  if (isHtml) reply.header('content-security-policy', pageCsp)
  reply.type(`text/${isHtml ? 'html' : 'markdown'}; charset=utf-8`)
  return isHtml
}
