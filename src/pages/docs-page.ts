import swaggerUi from '@fastify/swagger-ui'
import type { FastifyPluginAsync } from 'fastify'
import { pathOf } from '../contract/path.ts'
import { htmlPage } from './html.ts'
import { type Contract, shownAt } from './shown-contract.ts'

/**
 * The page at `/docs`: Swagger UI, of which the plugin serves the files, below our own header. All of it is as public as
 * the contract.
 */
export const docsPage: FastifyPluginAsync<{ asksForKeys: boolean }> = async (app, { asksForKeys }) => {
  app.addHook('onRoute', (route) => {
    route.config = { ...route.config, public: true }
    if (route.url === '/docs' || route.url === '/docs/')
      route.handler = async (request, reply) => reply.type('text/html; charset=utf-8').send(pageAt(pathOf(request)))
    if (route.url === '/docs/static/swagger-initializer.js')
      route.handler = async (_request, reply) => reply.type('text/javascript; charset=utf-8').send(script)
  })
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    transformSpecification: (document, { site }) =>
      shownAt(site, document as unknown as Contract, { groups: app.declared.groups, asksForKeys }),
    transformSpecificationClone: false,
    staticCSP: [
      "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'",
      "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ].join('; '),
  })
}

/** It loads its files by relative paths, as clients may see it below a prefix. */
function pageAt(path: string): string {
  const root = path.endsWith('/') ? '../' : ''
  const files = `${root}docs/static`
  return htmlPage({
    title: 'Sample API',
    root,
    head: `<link rel="stylesheet" href="${files}/swagger-ui.css">\n`,
    body: `<div id="docs"></div>
<noscript><p>This page needs JavaScript. The contract itself is openapi.json.</p></noscript>
<script src="${files}/swagger-ui-bundle.js"></script>
<script src="${files}/swagger-initializer.js"></script>`,
  })
}

const script = `const dark = matchMedia('(prefers-color-scheme: dark)')
const follow = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', follow)
follow()
SwaggerUIBundle({
  domNode: document.getElementById('docs'),
  url: new URL('../json', document.currentScript.src).href,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  tryItOutEnabled: true,
  validatorUrl: null,
})
`
