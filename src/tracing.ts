// Spans for an OpenTelemetry SDK that somebody loads before the program (`node --import`). Without one, nothing is loaded and
// nothing is made.
import type * as OpenTelemetry from '@opentelemetry/api'

type Attributes = OpenTelemetry.Attributes

interface Tracing {
  api: typeof OpenTelemetry
  tracer: OpenTelemetry.Tracer
}
let tracing: Tracing | undefined

/** Joins the traces of an SDK, if there is one. Comes before everything that makes spans. */
export async function joinTraces(version: string): Promise<void> {
  if (!(Symbol.for('opentelemetry.js.api.1') in globalThis)) return // where every copy of the API finds the SDK
  const api = await import('@opentelemetry/api')
  tracing = { api, tracer: api.trace.getTracer('sample-api', version) }
}

export const isTracing = (): boolean => tracing !== undefined

/** A span of a request, with the context in which its work belongs. */
export interface RequestSpan {
  /** Runs a function, and what it begins, as a part of the request. */
  within: <Result>(run: () => Result) => Result
  end: (name: string, attributes: Attributes, hasFailed: boolean) => void
}

/** Begins the span of a request, within the trace that its headers name; undefined without an SDK. */
export function beginRequest(headers: object, attributes: Attributes): RequestSpan | undefined {
  if (!tracing) return undefined
  const { api, tracer } = tracing
  const outer = api.propagation.extract(api.ROOT_CONTEXT, headers)
  const span = tracer.startSpan('request', { kind: api.SpanKind.SERVER, attributes }, outer)
  const inner = api.trace.setSpan(outer, span)
  return {
    within: (run) => api.context.with(inner, run),
    end(name, attributes, hasFailed) {
      span.updateName(name).setAttributes(attributes)
      if (hasFailed) span.setStatus({ code: api.SpanStatusCode.ERROR })
      span.end()
    },
  }
}

/**
 * Begins the span of a statement, if it is a part of a request; the function that it returns ends it. The text has no
 * values.
 */
export function beginStatement(text: string): ((error?: unknown) => void) | undefined {
  if (!tracing) return undefined
  const { api, tracer } = tracing
  if (!api.trace.getActiveSpan()) return undefined
  const { operation, name } = namesOf(text)
  const span = tracer.startSpan(name, {
    kind: api.SpanKind.CLIENT,
    attributes: { 'db.system.name': 'postgresql', 'db.operation.name': operation, 'db.query.text': text },
  })
  return (error) => {
    if (error) span.setStatus({ code: api.SpanStatusCode.ERROR })
    span.end()
  }
}

const merely = <Result>(run: () => Result): Result => run()

const table = '("?\\w+"?\\."?\\w+"?)'
const write = new RegExp(`\\b(insert|update|delete)(?: into| from)? +${table}`, 'i')
const read = new RegExp(`\\b(?:from|copy) +${table}`, 'i')

/** What a statement does, and to which table: `INSERT housing.housing`. */
function namesOf(text: string): { operation: string; name: string } {
  const [, writes, written] = write.exec(text) ?? []
  const operation = (writes ?? /\w+/.exec(text)?.[0] ?? '').toUpperCase().replace('WITH', 'SELECT')
  const target = (written ?? read.exec(text)?.[1])?.replaceAll('"', '')
  return { operation, name: target ? `${operation} ${target}` : operation }
}

/** Returns a function that runs others as a part of what is going on now; without an SDK, it merely runs them. */
export function currentWork(): typeof merely {
  if (!tracing) return merely
  const { context } = tracing.api
  const current = context.active()
  return (run) => context.with(current, run)
}

/** Runs what is not a part of any request, though one may begin it. */
export function apart<Result>(run: () => Result): Result {
  return tracing ? tracing.api.context.with(tracing.api.ROOT_CONTEXT, run) : run()
}
