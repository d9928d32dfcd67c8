// Lists the changes in openapi.json that break clients of the last release, which is the newest version tag.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

type Json = Record<string, unknown>
interface Schema extends Json {
  $ref?: string
  type?: unknown
  enum?: unknown[]
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
}
interface Media {
  content?: Record<string, { schema: Schema }>
}
interface Operation {
  operationId: string
  parameters?: { name: string; in: string; required?: boolean; schema: Schema }[]
  requestBody?: Media
  responses: Record<string, Media>
}
export interface Contract {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema> }
}

/** The breaking changes from one contract to the next, one per line. Any changed rule of input counts as breaking. */
export function breakingChanges(old: Contract, now: Contract): string[] {
  const found: string[] = []
  for (const [path, methods] of Object.entries(old.paths))
    for (const [method, before] of Object.entries(methods)) {
      const where = `${method.toUpperCase()} ${path}`
      const after = now.paths[path]?.[method]
      if (!after) found.push(`${where}: is gone`)
      else compareOperations(where, before, after)
    }
  return found

  function compareOperations(where: string, before: Operation, after: Operation) {
    if (before.operationId !== after.operationId) found.push(`${where}: has another operationId`)
    for (const parameter of before.parameters ?? []) {
      const same = after.parameters?.find(({ name, in: place }) => name === parameter.name && place === parameter.in)
      if (!same) found.push(`${where}: the parameter ${parameter.name} is gone`)
      else compareInput(`${where}: the parameter ${parameter.name}`, parameter.schema, same.schema)
    }
    for (const { name, required } of after.parameters ?? [])
      if (required && !before.parameters?.find((parameter) => parameter.name === name)?.required)
        found.push(`${where}: the parameter ${name} is required now`)
    for (const [type, { schema }] of Object.entries(before.requestBody?.content ?? {})) {
      const same = after.requestBody?.content?.[type]
      if (!same) found.push(`${where}: a body of ${type} is not taken any more`)
      else compareInput(`${where}: the body`, schema, same.schema)
    }
    if (!before.requestBody && after.requestBody) found.push(`${where}: needs a body now`)
    for (const [status, { content = {} }] of Object.entries(before.responses)) {
      if (!after.responses[status] && status.startsWith('2')) found.push(`${where}: does not answer ${status} any more`)
      for (const [type, { schema }] of Object.entries(content)) {
        const same = after.responses[status]?.content?.[type]
        if (same) compareOutput(`${where}: the answer ${status}`, schema, same.schema)
        else if (after.responses[status]) found.push(`${where}: the answer ${status} is not ${type} any more`)
      }
    }
  }

  function compareInput(where: string, before: Schema, after: Schema) {
    const [a, b] = [resolve(old, before), resolve(now, after)]
    for (const rule of ['type', 'enum', 'pattern', 'format', 'minimum', 'maximum', 'minLength', 'maxLength'])
      if (JSON.stringify(a[rule]) !== JSON.stringify(b[rule]) && b[rule] !== undefined)
        found.push(`${where}: ${rule} was ${JSON.stringify(a[rule])} and is ${JSON.stringify(b[rule])}`)
    for (const [name, schema] of Object.entries(a.properties ?? {})) {
      const same = b.properties?.[name]
      if (same) compareInput(`${where}: ${name}`, schema, same)
      else found.push(`${where}: ${name} is not taken any more`)
    }
    for (const name of b.required ?? [])
      if (!a.required?.includes(name)) found.push(`${where}: ${name} is required now`)
  }

  function compareOutput(where: string, before: Schema, after: Schema) {
    const [a, b] = [resolve(old, before), resolve(now, after)]
    if (JSON.stringify(a.type) !== JSON.stringify(b.type)) found.push(`${where}: was ${a.type} and is ${b.type}`)
    if (a.items && b.items) compareOutput(`${where}: each item`, a.items, b.items)
    for (const [name, schema] of Object.entries(a.properties ?? {})) {
      const same = b.properties?.[name]
      if (same) compareOutput(`${where}: ${name}`, schema, same)
      else found.push(`${where}: ${name} is gone`)
      if (same && a.required?.includes(name) && !b.required?.includes(name))
        found.push(`${where}: ${name} may be missing now`)
    }
  }
}

const resolve = (contract: Contract, schema: Schema): Schema =>
  schema.$ref ? (contract.components.schemas[schema.$ref.split('/').at(-1) as string] as Schema) : schema

function lastRelease(): { tag: string; contract: Contract } | undefined {
  const git = (...args: string[]) =>
    execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  try {
    const tag = git('describe', '--tags', '--match=v*', '--abbrev=0').trim()
    return { tag, contract: JSON.parse(git('show', `${tag}:openapi.json`)) }
  } catch {
    return undefined
  }
}

if (process.argv[1]?.endsWith('contract-diff.ts')) {
  const release = lastRelease()
  const changes = release && breakingChanges(release.contract, JSON.parse(readFileSync('openapi.json', 'utf8')))
  if (!release) console.log('There is no release yet (no tag v…) to compare with.')
  else if (changes?.length === 0) console.log(`Nothing breaks clients of ${release.tag}.`)
  else console.log(`What breaks clients of ${release.tag}:\n  ${changes?.join('\n  ')}`)
  process.exitCode = changes?.length ? 1 : 0
}
