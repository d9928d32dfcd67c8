import type { FastifyInstance } from 'fastify'
import type { Site } from '../contract/path.ts'
import { curlOf, type Operation } from './curl.ts'

export interface Contract {
  info: { description: string }
  components: object
  tags: { name: string; description: string }[]
  paths: Record<string, Record<string, Operation>>
}

interface Options {
  groups: FastifyInstance['declared']['groups']
  /** Whether some operations need an API key or a token. */
  asksForKeys: boolean
}

const service = { name: 'Service', description: 'The service itself.' }

/** The contract as `/docs` shows it: in the groups that people look for, each operation with a command to paste. */
export function shownAt(site: Site, contract: Contract, { groups, asksForKeys }: Options): object {
  const { scheme = 'http', host = 'localhost', prefix } = site
  const show = (operation: Operation, method: string, path: string): object => {
    const group = groups.find((group) => path.startsWith(group.prefix))
    const { description, tags: [tag = service.name] = [], responses } = operation
    const curl = curlOf(method, `${scheme}://${host}${prefix}${path}`, operation)
    return {
      ...operation,
      ...(!asksForKeys && { security: [] }),
      tags: [group?.name ?? inSentenceCase(tag)],
      description: `${description}\n\n\`\`\`sh\n${curl}\n\`\`\``,
      responses: mapValues(responses, inShort),
    }
  }
  const tags = contract.tags.map((tag) => ({ ...tag, name: inSentenceCase(tag.name) }))
  return {
    ...contract,
    info: { ...contract.info, description: `${contract.info.description} ${aboutProblems(prefix)}` },
    servers: [{ url: prefix || '/' }],
    tags: [...tags, ...groups.map(({ name, description }) => ({ name, description })), service],
    ...(!asksForKeys && { components: { ...contract.components, securitySchemes: undefined } }),
    paths: mapValues(contract.paths, (operations, path) =>
      mapValues(operations, (operation, method) => show(operation, method, path)),
    ),
  }
}

const aboutProblems = (prefix: string) =>
  `Whatever fails in version 2 is answered with a [problem document](${prefix}/problems) (RFC 9457).`

/** A problem without its schema: all have the same, and a dozen of them would bury what an operation answers. */
const inShort = (answer: Operation['responses'][string]): object =>
  answer.content && 'application/problem+json' in answer.content ? { description: answer.description } : answer

/** As a heading has it. The contract keeps the spelling of version 1, which shares the tag. */
const inSentenceCase = (name: string) => name.charAt(0) + name.slice(1).toLowerCase()

const mapValues = <In, Out>(object: Record<string, In>, map: (value: In, key: string) => Out): Record<string, Out> =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value, key)]))
