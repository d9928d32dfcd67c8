import { readdirSync, readFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { FastifyPluginAsync, FastifyReply } from 'fastify'
import { Type } from 'typebox'
import { Problem } from '../contract/problems.ts'
import { addVary } from '../http/headers.ts'
import { root } from '../root.ts'

const types: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
}

/** What the page may do: load its own files, and ask this API. */
const policy = [
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'",
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
].join('; ')

/** The page for browsers, as the build has made it from page/. */
const folder = new URL('dist/page/', root)
const read = (name: string) => readFileSync(new URL(name, folder), 'utf8')

/** Answers the page itself. Its URLs are relative, as clients may see it below a prefix. */
export function frontPageSender(): (reply: FastifyReply) => FastifyReply {
  const html = read('index.html')
  return (reply) => {
    addVary(reply, 'Accept') // the greeting goes without it, as in the Python version, and no cache may reuse it
    return reply
      .type('text/html; charset=utf-8')
      .headers({ 'content-security-policy': policy, 'cache-control': 'no-cache' })
      .send(html)
  }
}

/** The files that the page loads. Their names change with their content, so they can be kept forever. */
export const frontPageFiles: FastifyPluginAsync = async (app) => {
  const names = readdirSync(folder).filter((name) => name !== 'index.html')
  const files = new Map(names.map((name) => [name, read(name)]))
  app.get<{ Params: { name: string } }>(
    '/page/:name',
    {
      schema: { hide: true, params: Type.Object({ name: Type.String() }) },
      config: { public: true, negotiates: true },
    },
    async ({ params: { name } }, reply) => {
      const file = files.get(name)
      if (file === undefined) throw new Problem('not-found', `The page has no file ${name}.`)
      return reply
        .type(types[extname(name)] ?? 'application/octet-stream')
        .header('cache-control', 'public, max-age=31536000, immutable')
        .send(file)
    },
  )
}
