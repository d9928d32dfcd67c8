import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { onTestFinished } from 'vitest'
import { type ConnectionOptions, SampleApi } from '../src/index.ts'

/** What a gateway does to one request; `forward` is the answer of the API, which has then done its work. */
export type Fault = (answer: ServerResponse, forward: () => Promise<Answer>) => unknown

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: Buffer
}

/** None. */
export const passed: Fault = async (answer, forward) => {
  const { status, headers, body } = await forward()
  answer.writeHead(status, headers).end(body)
}

/** The connection breaks before the API gets the request. */
export const broken: Fault = (answer) => answer.destroy()

/** The API does its work, and the answer is lost. `then` happens before the client knows. */
export const lost =
  (then?: () => unknown): Fault =>
  async (answer, forward) => {
    await forward()
    await then?.()
    answer.destroy()
  }

/** The connection breaks in the middle of the answer. */
export const cut: Fault = async (answer, forward) => {
  const { status, headers, body } = await forward()
  answer.writeHead(status, headers).write(body.subarray(0, body.length / 2), () => answer.destroy())
}

/** No answer, and no end. */
export const silent: Fault = () => {}

/** The gateway answers by itself. */
export const answered =
  (status: number, headers: Record<string, string> = {}, body = '<h1>No</h1>'): Fault =>
  (answer) =>
    answer.writeHead(status, { 'content-type': 'text/html', ...headers }).end(body)

/** A problem of the API. */
export const problem = (status: number, code: string, headers: Record<string, string> = {}): Fault =>
  answered(status, { 'content-type': 'application/problem+json', ...headers }, JSON.stringify({ status, code }))

/** The API does its work, and something else is answered. */
export const instead =
  (fault: Fault): Fault =>
  async (answer, forward) => {
    await forward()
    fault(answer, forward)
  }

/** An HTTP gateway before the API, which does one of `faults` to each request while there are any, then none. */
export async function startGateway(port: number) {
  const faults: Fault[] = []
  const requests: IncomingMessage[] = []
  const answers = new Set<ServerResponse>()
  const pass = (incoming: IncomingMessage) => {
    const { method, url, headers } = incoming
    const outgoing = request({ port, host: '127.0.0.1', method, path: url, headers, agent: false })
    incoming.pipe(outgoing)
    return outgoing
  }
  const server = createServer((incoming, answer) => {
    requests.push(incoming)
    answers.add(answer.on('close', () => answers.delete(answer)))
    const fault = faults.shift()
    const forward = async () => {
      const [response] = (await once(pass(incoming), 'response')) as [IncomingMessage]
      const body = Buffer.concat(await response.toArray())
      return { status: response.statusCode as number, headers: response.headers, body }
    }
    if (fault) return void fault(answer, forward)
    const outgoing = pass(incoming)
    answer.on('close', () => outgoing.destroy())
    outgoing.on('error', () => answer.destroy())
    outgoing.on('response', (response) => {
      answer.writeHead(response.statusCode as number, response.headers)
      answer.flushHeaders()
      response.pipe(answer)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  onTestFinished(close)
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    faults,
    requests,
    /** Breaks all connections. */
    breakAll: () => server.closeAllConnections(),
    close,
    /** Whether the client still waits for an answer. */
    get open() {
      return answers.size
    },
  }
}

/** A client behind a gateway with these faults. */
export async function clientBehind(port: number, faults: Fault[], options: ConnectionOptions = {}) {
  const gateway = await startGateway(port)
  gateway.faults.push(...faults)
  return { gateway, api: new SampleApi({ url: gateway.url, ...options }) }
}
