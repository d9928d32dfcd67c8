import { get, type IncomingMessage } from 'node:http'
import { constants, createGunzip } from 'node:zlib'
import { onTestFinished } from 'vitest'

export interface Event {
  id: string
  event: string
  data: string
}

/**
 * A client of Server-Sent Events that does as a browser does: where its connection ends it connects again, and goes on
 * behind its last event. It leaves at the end of the test.
 */
export function follow(url: string, { port, headers = {} }: { port?: number; headers?: Record<string, string> } = {}) {
  const client = {
    events: [] as Event[],
    /** How many comments it got. */
    comments: 0,
    /** The status of each answer. */
    statuses: [] as (number | undefined)[],
    headers: {} as IncomingMessage['headers'],
    /** The positions of the changes that it got. */
    positions: () => client.events.filter(({ event }) => event === 'change').map(({ id }) => Number(id)),
    leave() {
      hasLeft = true
      clearTimeout(timer)
      request?.destroy()
    },
  }
  let hasLeft = false
  let timer: NodeJS.Timeout | undefined
  let request: ReturnType<typeof get> | undefined

  function connect() {
    const last = client.events.findLast(({ id }) => id !== '')?.id
    request = get(url, {
      ...(port !== undefined && { port }),
      agent: false,
      headers: { accept: 'text/event-stream', ...headers, ...(last !== undefined && { 'last-event-id': last }) },
    })
      .on('response', (answer) => {
        client.statuses.push(answer.statusCode)
        client.headers = answer.headers
        let text = ''
        answer.on('error', () => {}) // it connects again
        const isCompressed = answer.headers['content-encoding'] === 'gzip'
        const body = isCompressed ? answer.pipe(createGunzip({ flush: constants.Z_SYNC_FLUSH })) : answer
        body.setEncoding('utf8').on('data', (chunk: string) => {
          const blocks = (text + chunk).split('\n\n')
          text = blocks.pop() as string
          for (const block of blocks) take(block)
        })
      })
      .on('error', () => {})
      .on('close', () => {
        if (!hasLeft) timer = setTimeout(connect, 100)
      })
  }

  function take(block: string) {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1] ?? ''
    if (block.startsWith(':')) client.comments += 1
    else if (field('event') !== '') client.events.push({ id: field('id'), event: field('event'), data: field('data') })
  }

  connect()
  onTestFinished(client.leave)
  return client
}
