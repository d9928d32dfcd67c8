export interface Operation {
  description?: string
  tags?: string[]
  security?: object[]
  parameters?: { name: string; in: string; example?: unknown; schema: { examples?: unknown[] } }[]
  requestBody?: { content: Record<string, { example?: unknown }> }
  responses: Record<string, { description: string; content?: object }>
}

/** The examples of an operation as a command that can be pasted into a shell. */
export function curlOf(
  method: string,
  url: string,
  { parameters = [], requestBody, security = [] }: Operation,
): string {
  const given = parameters.flatMap(({ name, in: place, example, schema: { examples = [] } }) => {
    const value = example ?? examples[0]
    return value === undefined ? [] : [{ name, place, value: String(value) }]
  })
  const inPath = given.filter(({ place }) => place === 'path')
  const path = inPath.reduce((url, { name, value }) => url.replace(`{${name}}`, encodeURIComponent(value)), url)
  const [[type, { example }] = ['', { example: undefined }]] = Object.entries(requestBody?.content ?? {})
  const needsKey = security.length > 0 && security.every((way) => 'bearer' in way)
  const headers = [
    ...given.filter(({ place }) => place === 'header').map(({ name, value }) => `${name}: ${value}`),
    ...(type ? [`Content-Type: ${type}`] : []),
  ]
  return [
    `curl -i ${method === 'get' ? '' : `-X ${method.toUpperCase()} `}${quoted(path)}`,
    ...(needsKey ? ['-H "Authorization: Bearer $API_KEY"'] : []),
    ...headers.map((header) => `-H ${quoted(header)}`),
    ...(type ? [`--data-binary ${quoted(typeof example === 'string' ? example : JSON.stringify(example))}`] : []),
  ].join(' \\\n  ')
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`
