import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { startApi } from './support/api.ts'
import { client, library, listen } from './support/http.ts'

const { app } = await startApi()

test('the command of each operation at /docs does what it says, from top to bottom', async () => {
  const port = await listen(app)
  await client(app).post('/api/v2/housing', library)
  const { paths } = (await app.inject({ url: '/docs/json', headers: { host: `127.0.0.1:${port}` } })).json() as {
    paths: Record<string, Record<string, { operationId: string; description: string }>>
  }
  const statuses: [string, string][] = []
  for (const { operationId, description } of Object.values(paths).flatMap(Object.values)) {
    const [, command = ''] = /```sh\n(.*)\n```/s.exec(description) ?? []
    const { stdout } = await promisify(execFile)('sh', ['-c', command])
    statuses.push([operationId, /^HTTP\/1.1 (\d+)/.exec(stdout)?.[1] ?? stdout])
  }
  expect(statuses.length).toBeGreaterThan(20)
  const failed = statuses.filter(([, status]) => !status.startsWith('2'))
  expect(failed).toEqual([['applyImport', '404']]) // no example can know the id of an import
})

test('each link of a document leads to a file, and to a heading of it', () => {
  const documents = ['.', 'docs', 'client'].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  )
  /** As GitHub names the headings of a document in links. */
  const anchors = (document: string) =>
    [...readFileSync(document, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    )
  const broken = documents.flatMap((document) =>
    [...readFileSync(document, 'utf8').matchAll(/\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)/g)]
      .filter(([, path = '', anchor = '']) => {
        const target = path === '' ? document : join(dirname(document), path)
        return !existsSync(target) || (anchor !== '' && !anchors(target).includes(anchor))
      })
      .map(([link]) => `${document}: ${link}`),
  )
  expect(documents.length).toBeGreaterThan(15)
  expect(broken).toEqual([])
})
