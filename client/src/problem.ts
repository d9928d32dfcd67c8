import type { ContractCode, components } from './contract.ts'

type ProblemDocument = components['schemas']['Problem']

/** Why a request failed. `unexpected-answer`: the answer comes from something in between, such as a proxy. */
export type ProblemCode = ContractCode | 'unexpected-answer'

/** A failing answer, as the API describes it (RFC 9457). */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly status: number
  /** What kind of problem it is, in a few words. */
  readonly title: string
  /** What is wrong with this request, and how to fix it. Also the `message`. */
  readonly detail: string
  /**
   * The single faults of the request: `pointer` into the body, name of the `parameter`, or `line` and `field` of a
   * file.
   */
  readonly errors: NonNullable<ProblemDocument['errors']>
  /** After how many seconds the same request may be sent again. */
  readonly retryAfter: number | undefined
  /** With 409 and 412: the version in which the resource is now. */
  readonly currentVersion: number | undefined
  /** Whether an earlier attempt of this request got no answer, so that it may have taken effect nevertheless. */
  uncertain = false
  /** The whole answer. */
  readonly body: Partial<ProblemDocument>

  constructor(response: Response, body: Partial<ProblemDocument> = {}) {
    const { status, statusText, headers } = response
    const detail = body.detail ?? `The answer ${status} of ${response.url} does not come from the API.`
    super(detail)
    const isProblem = typeof body.code === 'string'
    this.code = isProblem ? (body.code as ProblemCode) : 'unexpected-answer'
    this.status = status
    this.title = body.title ?? statusText
    this.detail = detail
    this.errors = body.errors ?? []
    this.retryAfter = secondsOf(headers.get('retry-after'))
    this.currentVersion = body.current_version
    this.body = body
  }
}

/** Reads a failing answer. */
export async function problemOf(response: Response): Promise<Problem> {
  const text = await response.text()
  return new Problem(response, isJson(response) ? parsed(text) : {})
}

export const isJson = ({ headers }: Response): boolean => /[/+]json\b/.test(headers.get('content-type') ?? '')

function parsed(text: string): Partial<ProblemDocument> {
  try {
    return Object(JSON.parse(text))
  } catch {
    return {}
  }
}

/** Retry-After: seconds, or a date. */
function secondsOf(header: string | null): number | undefined {
  if (!header) return undefined
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds)
}

/** No answer came, or not all of it: the connection was lost or refused, or time was up. `cause` says why. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError'
}
