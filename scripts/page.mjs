// Builds the page for browsers into dist/page/, whose files are named after their content.
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename } from 'node:path'
import { buildSync } from 'esbuild'

const entries = ['main.tsx', 'page.css']

export function buildPage() {
  rmSync('dist/page', { recursive: true, force: true })
  const { metafile } = buildSync({
    entryPoints: entries.map((name) => `page/${name}`),
    outdir: 'dist/page',
    entryNames: '[name]-[hash]',
    assetNames: '[name]-[hash]',
    loader: { '.csv': 'file' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    metafile: true,
    logLevel: 'warning',
  })
  const outputs = Object.entries(metafile.outputs)
  const html = entries.reduce(
    (html, name) => {
      const [output] = outputs.find(([, { entryPoint }]) => entryPoint === `page/${name}`)
      return html.replace(`"${name}"`, `"page/${basename(output)}"`)
    },
    readFileSync('page/index.html', 'utf8'),
  )
  writeFileSync('dist/page/index.html', html)
}
