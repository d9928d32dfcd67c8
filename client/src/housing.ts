import { Changes, type ChangesOptions } from './changes.ts'
import { type Call, type CallOptions, type Connection, jsonBody, newKey, type PostOptions } from './connection.ts'
import type { components, operations } from './contract.ts'
import { Paged } from './paged.ts'
import { Problem } from './problem.ts'

type Schemas = components['schemas']

/** The parameters of the query of an operation; each may also be undefined. */
type QueryOf<Name extends keyof operations> = {
  [Parameter in keyof NonNullable<operations[Name]['parameters']['query']>]?:
    | NonNullable<operations[Name]['parameters']['query']>[Parameter]
    | undefined
}

export type Housing = Schemas['Housing']
export type HousingInput = Schemas['HousingInput']
export type HousingPatch = Schemas['HousingPatch']
export type HousingPage = Schemas['HousingPage']
export type HousingVersion = Schemas['HousingVersion']
export type HousingVersionPage = Schemas['HousingVersionPage']
export type BatchOperation = Schemas['BatchOperation']
export type BatchResult = Schemas['BatchResult']
export type ImportRow = Schemas['ImportRow']
export type ImportReport = Schemas['ImportReport']
export type HousingQuery = QueryOf<'listHousing'>
export type ExportQuery = Omit<QueryOf<'exportHousing'>, 'format'>
export type ChangesQuery = Omit<QueryOf<'listHousingChanges'>, 'limit' | 'wait'>

/** One version of one house; a whole house is one. */
export type Version = Pick<Housing, 'id' | 'version'>

/** What can be imported. */
export type ImportBody = string | Blob | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array> | ImportRow[]

export interface ApplyOptions extends PostOptions {
  /** `abort`, the default: if a row is wrong, nothing is stored. `skip`: the other rows are stored. */
  onError?: 'abort' | 'skip' | undefined
}

export interface FileOptions extends CallOptions {
  /** What the file is. Needed, unless the body is an array of rows. */
  type?: 'text/csv' | 'application/x-ndjson' | 'application/json' | undefined
  /** How the file is compressed. */
  encoding?: 'gzip' | undefined
}

export interface ImportOptions extends ApplyOptions, FileOptions {
  /** Stores nothing; the report has an `import_id`, which `applyImport` takes within an hour. */
  dryRun?: boolean | undefined
}

/** The houses of the registry. */
export class HousingApi {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** The houses that match, in the order that the query asks for; page by page with `.pages()`. */
  list({ cursor: begin, ...query }: HousingQuery = {}, options?: CallOptions): Paged<Housing, HousingPage> {
    return new Paged((cursor = begin) =>
      this.#connection.json('/housing', { ...options, query: cursor ? { limit: query.limit, cursor } : query }),
    )
  }

  /** One house, as it is now or was at that time. */
  get(id: number, { asOf, ...options }: CallOptions & { asOf?: Date | string | undefined } = {}): Promise<Housing> {
    const as_of = asOf instanceof Date ? asOf.toISOString() : asOf
    return this.#connection.json(pathOf(id), { ...options, query: { as_of } })
  }

  /** Adds a house. */
  create(input: HousingInput, options?: PostOptions): Promise<Housing> {
    return this.#post('/housing', input, options)
  }

  /**
   * Reads a house, and changes the members that `change` returns. If somebody else changes the house meanwhile, it
   * does both again, up to `attempts` times; then the problem is `precondition-failed`.
   */
  async update(
    id: number,
    change: (house: Housing) => HousingPatch | Promise<HousingPatch>,
    { attempts = 10, ...options }: CallOptions & { attempts?: number | undefined } = {},
  ): Promise<Housing> {
    for (let attempt = 1; ; attempt++) {
      const house = await this.get(id, options)
      const changes = await change(house)
      try {
        return await this.patch(house, changes, options)
      } catch (error) {
        if (attempt >= attempts || !isProblem(error, 'precondition-failed')) throw error
      }
    }
  }

  /** Changes some members of a house that is in this version; otherwise the problem is `precondition-failed`. */
  patch(house: Version, changes: HousingPatch, options?: CallOptions): Promise<Housing> {
    return this.#change('PATCH', house, changes, options)
  }

  /** Replaces a house that is in this version; otherwise the problem is `precondition-failed`. */
  replace(house: Version, input: HousingInput, options?: CallOptions): Promise<Housing> {
    return this.#change('PUT', house, input, options)
  }

  /** Deletes a house that is in this version; otherwise the problem is `precondition-failed`. */
  async remove({ id, version }: Version, options?: CallOptions): Promise<void> {
    const headers = { 'if-match': etag({ id, version }) }
    try {
      await this.#connection.json(pathOf(id), { ...options, method: 'DELETE', headers })
    } catch (error) {
      await this.#settle(error, { id, version }, options, ({ operation }) => operation === 'deleted')
    }
  }

  /** The versions of a house, newest first; also of a deleted one. */
  history(
    id: number,
    { limit, ...options }: CallOptions & { limit?: number | undefined } = {},
  ): Paged<HousingVersion, HousingVersionPage> {
    return new Paged((cursor) =>
      this.#connection.json(`${pathOf(id)}/versions`, { ...options, query: { limit, cursor } }),
    )
  }

  /**
   * Makes an earlier version the newest, or brings a deleted house back. `of`: the current version, where there is
   * one.
   */
  restore(
    id: number,
    version: number,
    { of, ...options }: PostOptions & { of?: number | undefined } = {},
  ): Promise<Housing> {
    const headers = { 'if-match': of === undefined ? undefined : etag({ id, version: of }) }
    return this.#post(`${pathOf(id)}/versions/${version}/restore`, undefined, options, { headers })
  }

  /** Does all of the operations, in this order, or none. */
  async batch(operations: BatchOperation[], options?: PostOptions): Promise<BatchResult[]> {
    const { results } = await this.#post<Schemas['BatchResults']>('/housing/batch', { operations }, options)
    return results
  }

  /**
   * Adds and changes houses from a file. Rows without `id` are new houses. A stream can be read only once, so a failed
   * import of a stream is not sent again.
   */
  import(body: ImportBody, { onError, dryRun, key, ...file }: ImportOptions = {}): Promise<ImportReport> {
    const query = { on_error: onError, dry_run: dryRun }
    const call = importCall(body, file)
    const headers = { ...call.headers, 'idempotency-key': key ?? (call.retries === 0 ? undefined : newKey()) }
    return this.#connection.json('/housing/import', { ...call, query, headers })
  }

  /**
   * The rows that an import would reject, with their faults, in the format of the import: correct them, and import
   * that. Stores nothing.
   */
  rejectedRows(body: ImportBody, options: FileOptions = {}): Promise<Response> {
    const call = importCall(body, options)
    const accept = options.type === 'text/csv' ? options.type : 'application/x-ndjson'
    const headers = { ...call.headers, accept }
    return this.#connection.stream('/housing/import', { ...call, query: { dry_run: true }, headers })
  }

  /** Does what a dry run would have done, if nothing has changed since. */
  applyImport(id: string, { onError, ...options }: ApplyOptions = {}): Promise<ImportReport> {
    return this.#post(`/housing/imports/${encodeURIComponent(id)}/apply`, undefined, options, {
      query: { on_error: onError },
    })
  }

  /**
   * The houses that match, as a file: a response, whose body is a stream. `changes` after its `position` has all that
   * the file lacks. A file that is not complete ends with an error.
   */
  async export(
    query: ExportQuery = {},
    { format = 'csv', ...options }: CallOptions & { format?: 'csv' | 'ndjson' | undefined } = {},
  ): Promise<Response & { position: number }> {
    const response = await this.#connection.stream('/housing/export', {
      ...options,
      query: { ...query, format },
      headers: { accept: '*/*' },
    })
    return Object.assign(response, { position: Number(response.headers.get('feed-position')) })
  }

  /** The changes after a position (without one: from the first), as they happen, without end. */
  changes(query: ChangesQuery = {}, options: ChangesOptions = {}): Changes {
    return new Changes(this.#connection, query, options)
  }

  /** The newest position of the feed: `changes` after it has what happens from now on. */
  async position(options?: CallOptions): Promise<number> {
    const empty = await this.export({ updated_since: '9999-12-31T23:59:59Z' }, options)
    await empty.text()
    return empty.position
  }

  #post<T>(
    path: string,
    value: unknown,
    { key = newKey(), ...options }: PostOptions = {},
    { headers, query }: Pick<Call, 'headers' | 'query'> = {},
  ): Promise<T> {
    return this.#connection.json(path, {
      ...options,
      ...(query && { query }),
      ...jsonBody(value, { ...headers, 'idempotency-key': key }),
      method: 'POST',
    })
  }

  async #change(
    method: string,
    { id, version }: Version,
    changes: HousingPatch,
    options?: CallOptions,
  ): Promise<Housing> {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : undefined
    const body = jsonBody(changes, { 'if-match': etag({ id, version }) }, type)
    try {
      return await this.#connection.json(pathOf(id), { ...options, ...body, method })
    } catch (error) {
      return this.#settle(error, { id, version }, options, ({ changed, house }) => {
        return changed.every((member) => member in changes) && has(house, changes)
      })
    }
  }

  /**
   * A repetition may fail because an earlier attempt, whose answer was lost, did its work. Then the next version of
   * the house is its own, and is returned. Otherwise somebody else made that version, and the failure stands.
   */
  async #settle(
    error: unknown,
    { id, version }: Version,
    options: CallOptions | undefined,
    isOwn: (next: HousingVersion) => boolean,
  ): Promise<Housing> {
    if (!isProblem(error, 'precondition-failed', 'not-found') || !error.uncertain) throw error
    for await (const next of this.history(id, options)) {
      if (next.version === version + 1 && isOwn(next)) return next.house
      if (next.version <= version + 1) break
    }
    error.uncertain = false
    throw error
  }
}

const pathOf = (id: number) => `/housing/${id}`

const etag = ({ id, version }: Version) => `"${id}-${version}"`

const isProblem = (error: unknown, ...codes: Problem['code'][]): error is Problem =>
  error instanceof Problem && codes.includes(error.code)

/** Whether the house has these values, as they are stored: without spaces at the ends, postal codes as `V8V 1A1`. */
const has = (house: HousingInput, values: HousingPatch): boolean =>
  Object.entries(values).every(([name, value]: [string, string | undefined]) => {
    const stored = house[name as keyof HousingInput]
    if (value === undefined) return true
    return name === 'postal_code' ? bare(stored) === bare(value) : stored === value.replace(/^ +| +$/g, '')
  })

const bare = (postalCode: string) => postalCode.replace(/[^a-z\d]/gi, '').toUpperCase()

/** An upload may take as long as it needs, unless the options say otherwise. */
function importCall(
  body: ImportBody,
  { type = 'application/json', encoding, timeout = Number.POSITIVE_INFINITY, signal }: FileOptions,
): Call {
  const headers = { 'content-type': type, 'content-encoding': encoding }
  const call = { method: 'POST', timeout, signal, headers }
  if (Array.isArray(body)) return { ...call, body: JSON.stringify(body) }
  if (typeof body === 'string' || body instanceof Blob) return { ...call, body }
  return { ...call, body: body instanceof ReadableStream ? body : streamOf(body), retries: 0 }
}

/** (ReadableStream.from is not in every browser.) */
function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]()
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next()
      if (done) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await iterator.return?.()
    },
  })
}
