import { get } from 'node:http'
import { type Config, ConfigError, readConfig } from '../config/config.ts'
import { addressOf } from './address.ts'

const deadline = 2000

/** Asks the API that runs with these settings whether it is ready, and prints its answer. Throws if it is not. */
export async function health(variables: NodeJS.ProcessEnv): Promise<void> {
  const { host, port } = settings(variables)
  const url = `http://${addressOf(host, port)}/readyz`
  const { status, body } = await ask(url)
  if (status !== 200) throw new Error(`Not ready: ${url} answers ${status} ${body.replace(/\s+/g, ' ').slice(0, 1000)}`)
  process.stdout.write(`Ready: ${url} answers 200\n`)
}

/** Reports invalid settings with exit code 1: container health checks know only 0 and 1. */
function settings(variables: NodeJS.ProcessEnv): Config {
  try {
    return readConfig(variables)
  } catch (error) {
    throw error instanceof ConfigError ? new Error(error.message) : error
  }
}

/** Rejects if there is no answer within two seconds. */
export function ask(url: string): Promise<{ status: number | undefined; body: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(deadline)
    const fail = ({ message }: Error) =>
      reject(new Error(`No answer from ${url}${signal.aborted ? ` within ${deadline / 1000} s` : `: ${message}`}.`))
    get(url, { signal }, async (response) => {
      try {
        const body = (await response.setEncoding('utf8').toArray()).join('')
        resolve({ status: response.statusCode, body })
      } catch (error) {
        fail(error as Error)
      }
    }).on('error', fail)
  })
}
