import type { FastifyPluginAsync } from 'fastify'
import { favicon } from './favicon.ts'
import { style } from './style.ts'

/** What the pages may load: their style and their icon. */
export const pageCsp =
  "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

interface Page {
  title: string
  /** The way up to the root of the site, such as `../`: the page may be seen below a prefix. */
  root: string
  /** What it loads besides; ours comes after it. */
  head?: string
  body: string
}

/** A page with the head and the header that all have. */
export const htmlPage = ({ title, root, head = '', body }: Page): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="${root}favicon.svg" type="image/svg+xml">
${head}<link rel="stylesheet" href="${root}pages.css">
</head>
<body>
<header>
<a class="name" href="${root || './'}"><img src="${root}favicon.svg" alt="" width="28" height="28">Sample API</a>
<nav><a href="${root}docs">Docs</a> <a href="${root}problems">Problems</a> <a href="${root}openapi.json">openapi.json</a></nav>
</header>
${body}
</body>
</html>
`

/** The files that the pages share. */
export const pageFiles: FastifyPluginAsync = async (app) => {
  const files = [
    ['/favicon.svg', 'image/svg+xml', favicon],
    ['/favicon.ico', 'image/svg+xml', favicon], // what browsers ask for beside an answer in JSON
    ['/pages.css', 'text/css; charset=utf-8', style],
  ] as const
  for (const [url, type, text] of files)
    app.get(url, { schema: { hide: true }, config: { public: true } }, async (_request, reply) =>
      reply.header('cache-control', 'public, max-age=3600').type(type).send(text),
    )
}
